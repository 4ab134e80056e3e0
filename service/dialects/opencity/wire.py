"""A job in OpenCity's words, version 1. Pure."""

from collections.abc import Container, Iterable, Mapping
from typing import Any

from service.errors import Malformed
from service.jobs.states import Status

WORDS: Mapping[Status, str] = {
    Status.PENDING: "pending",
    Status.SUSPENDED: "pending",
    Status.RUNNING: "running",
    Status.FINISHED: "finished",
    Status.FAILED: "failed",
    Status.CANCELLED: "cancelled",
}
STATUSES = tuple(dict.fromkeys(WORDS.values()))
_SAME = ("output", "running_output", "started_at", "terminated_at", "created_at", "updated_at")


def job(native: Mapping[str, Any]) -> dict[str, Any]:
    """Exactly the documented fields of a native job; the attachment is null when there is none."""
    attachment = native["attachment"]
    return {
        "attachment": attachment and {"name": attachment["name"], "mime_type": attachment["mime_type"]},
        "id": native["id"],
        "type": native["type"],
        "status": WORDS[Status(native["status"])],
        "args": native["args"],
        **{name: native[name] for name in _SAME},
    }


def meant(words: Iterable[str]) -> list[str]:
    """Every status that one of these words stands for. Raises Malformed for what is none of them."""
    wanted = set(words)
    if wanted - set(STATUSES):
        raise Malformed(f"status: must be one of {', '.join(STATUSES)}")
    return [status for status, word in WORDS.items() if word in wanted]


def known(body: Any, names: Container[str], of_attachment: Container[str]) -> Any:
    """The body without members that nobody knows, which OpenCity ignores."""
    if not isinstance(body, dict):
        return body
    kept = {name: value for name, value in body.items() if name in names}
    attachment = kept.get("attachment")
    if isinstance(attachment, dict):
        kept["attachment"] = {name: value for name, value in attachment.items() if name in of_attachment}
    return kept
