"""What Schemathesis is told besides the document: which job types there are, and not to wait for a minute."""

from typing import Any
from uuid import UUID
from zlib import crc32

import schemathesis

LONGEST_WAIT = 1
KINDS: list[dict[str, Any]] = [
    {"type": "echo"},
    {"type": "echo", "run_at": "2126-11-22T10:41:19.123Z"},  # it waits, so that it can be moved
    {"type": "sleep", "args": {"seconds": 0, "steps": 1, "output_bytes": 100_000}},  # it has an output
    {"type": "sleep", "args": {"seconds": 0.5, "steps": 5}},
]
CREATING = ("POST /api/jobs", "PUT /api/jobs/{id}")
CAPS = ("queued", "running", "storage_bytes", "requests_per_minute", "key_requests_per_minute", "waiters")
Context = schemathesis.HookContext


@schemathesis.hook
def map_body(context: Context, body: Any) -> Any:
    """Create jobs that can be: a random word is hardly ever a job type. What has a wrong shape stays wrong."""
    job = body.get("job", body) if isinstance(body, dict) else None
    if context.operation is not None and context.operation.label in CREATING and isinstance(job, dict):
        if isinstance(job.get("type"), str | None):
            job.update(KINDS[_drawn(job, len(KINDS))])
        if isinstance(job.get("definition"), str):
            del job["definition"]
        attachment = job.get("attachment")
        if isinstance(attachment, dict) and _is_uuid(attachment.get("id")):
            del attachment["id"]
            attachment.setdefault("file", "aGVsbG8=")
        if isinstance(attachment, dict) and isinstance(attachment.get("file"), str):
            attachment["file"] = "aGVsbG8="
    if context.operation is not None and context.operation.label == "PATCH /api/tenant":
        _lift_caps(body)
    return _short(body)


@schemathesis.hook
def map_query(context: Context, query: Any) -> Any:
    """Keep waits short."""
    return _short(query)


@schemathesis.hook
def map_headers(context: Context, headers: Any) -> Any:
    """Keep waits short, and let most requests come through to the tenant and to the version that is there."""
    headers = dict(headers or {})
    if "wait" in str(headers.get("Prefer")):
        headers["Prefer"] = "wait=1"
    if _drawn(headers, 5):
        headers.pop("X-Customer-Code", None)
        headers.pop("If-Match", None)
    return headers


def _drawn(given: Any, most: int) -> int:
    """A number below `most`, by what was generated: the same seed gives the same run."""
    return crc32(repr(given).encode(errors="replace")) % most


def _lift_caps(body: Any) -> None:
    """Let no cap come about by which the tenant's later requests would be refused; what is no cap stays wrong."""
    if not isinstance(body, dict):
        return
    _lift_caps(body.get("caps"))
    for name, value in body.items():
        if name in CAPS and type(value) is int and 0 <= value < 2**31:
            body[name] = None


def _is_uuid(text: Any) -> bool:
    try:
        return isinstance(text, str) and bool(UUID(text))
    except ValueError:
        return False


def _short(given: Any) -> Any:
    if isinstance(given, dict) and isinstance(given.get("wait"), int) and 0 <= given["wait"] <= 60:
        given["wait"] = min(given["wait"], LONGEST_WAIT)
    return given
