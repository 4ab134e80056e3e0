"""Jobs, definitions and types in Conscia's words. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import orjson

from service.errors import Fault, Invalid, NotFound
from service.jobs.states import Status

WORDS: Mapping[Status, str] = {
    Status.PENDING: "STARTED",
    Status.SUSPENDED: "STARTED",
    Status.RUNNING: "STARTED",
    Status.FINISHED: "COMPLETED",
    Status.FAILED: "FAILED",
    Status.CANCELLED: "FAILED",
}
STATUSES = tuple(dict.fromkeys(WORDS.values()))
_CANCELLED = {"code": "cancelled", "message": "The job was cancelled."}

WHOLE = "jobDefinition"
DEFINITION = {
    "jobDefinitionCode": "code",
    "jobType": "type",
    "name": "name",
    "schedule": "schedule",
    "params": "args",
    "options": "options",
}
SCHEDULE = {"cron": "cron"}
OPTIONS = {
    "skipNotification": "skip_notification",
    "sendCompletionEmail": "send_completion_email",
    "sendFailureEmail": "send_failure_email",
    "emailList": "email_list",
}
_INSIDE = {"schedule": SCHEDULE, "options": OPTIONS}

_ID = re.compile(
    r"(?:([0-9]{8})-)?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})", re.IGNORECASE
)


def job_id(created_at: str, native: str) -> str:
    """`{yyyyMMdd}-{uuid}`, of the day of its creation in UTC."""
    return f"{_day(created_at)}-{native}"


def read_id(text: str) -> tuple[UUID, str | None]:
    """The UUID of an id in either form, and the day that it claims. Raises NotFound for what is no id."""
    found = _ID.fullmatch(text)
    if found is None:
        raise NotFound("no such job")
    return UUID(found[2]), found[1]


def is_of_day(day: str | None, created_at: str) -> bool:
    """Whether an id that claims this day may be that of a job made then."""
    return day is None or day == _day(created_at)


def _day(created_at: str) -> str:
    return created_at[:10].replace("-", "")


def job(native: Mapping[str, Any], base: str) -> dict[str, Any]:
    """A native job; `base` is the origin of the addresses of its files."""
    return {
        "jobId": job_id(native["created_at"], native["id"]),
        "jobType": native["type"],
        "jobDefinitionCode": native["definition"],
        "status": WORDS[Status(native["status"])],
        "params": native["args"],
        "result": _result(native, base),
        "error": _error(native),
        "percentCompleted": native["percent_completed"],
        "createdAt": native["created_at"],
        "startedAt": native["started_at"],
        "completedAt": native["terminated_at"],
    }


def _result(native: Mapping[str, Any], base: str) -> Any:
    """JSON where the output is JSON, else the text; the files where it is files. A failure's text is its error's."""
    if native["terminated_at"] is None:
        return None
    if native["status"] == Status.FINISHED and native["output"] is not None:
        return _parsed(native["output"])
    return [_file(native, one, base) for one in native["outputs"]] or None


def _parsed(text: str) -> Any:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return orjson.Fragment(text)  # as it was written: its numbers keep all their digits


def _file(native: Mapping[str, Any], one: Mapping[str, Any], base: str) -> dict[str, Any]:
    return {
        "name": one["name"],
        "url": f"{base}/api/jobs/{native['id']}/outputs/{one['id']}/content",
        "size": one["size"],
        "expiresAt": one["expires_at"],
    }


def _error(native: Mapping[str, Any]) -> dict[str, Any] | None:
    error = native["error"]
    if error is not None:
        return {"code": error["code"], "message": error["message"]}
    return _CANCELLED if native["status"] == Status.CANCELLED else None


def meant(words: Iterable[str]) -> list[str]:
    """Every status that one of these words stands for."""
    wanted = set(words)
    return [status for status, word in WORDS.items() if word in wanted]


def job_type(native: Mapping[str, Any]) -> dict[str, Any]:
    """A native type, whose params are a JSON Schema, with a list of them."""
    schema = native["params"]
    required = schema.get("required", ())
    return {
        "jobTypeCode": native["code"],
        "name": native["name"],
        "description": native["description"],
        "params": [
            {
                "name": name,
                "type": _type(told),
                "required": name in required,
                "description": told.get("description") or told.get("title") or "",
            }
            for name, told in schema.get("properties", {}).items()
        ],
    }


def _type(told: Mapping[str, Any]) -> str:
    """The one JSON type that a param has, besides null; `any` of several."""
    if "$ref" in told:
        return "object"
    given = told.get("type", ())
    found = [one for one in ([given] if isinstance(given, str) else given) if one != "null"]
    return found[0] if len(found) == 1 else "any"


def definition(native: Mapping[str, Any]) -> dict[str, Any]:
    """A native definition."""
    made = {name: native[ours] for name, ours in DEFINITION.items()}
    if native["schedule"] is not None:
        made["schedule"] = {"cron": native["schedule"]["cron"]}
    options = native["options"]
    made["options"] = {name: options[ours] for name, ours in OPTIONS.items() if ours in options}
    return made


def asked_definition(body: Any) -> dict[str, Any]:
    """The native body, or merge patch, without what Conscia does not know. Raises Invalid for what is no definition."""
    if not isinstance(body, dict):
        raise Invalid([Fault("#", "must be a JSON object")])
    if not isinstance(given := body.get(WHOLE), dict):
        raise Invalid([Fault(f"#/{WHOLE}", "must be a JSON object")])
    made = _renamed(given, DEFINITION)
    for name, words in _INSIDE.items():
        if isinstance(made.get(name), dict):
            made[name] = _renamed(made[name], words)
    return made


def _renamed(given: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, Any]:
    return {ours: given[name] for name, ours in words.items() if name in given}


def asked_args(body: Any) -> dict[str, Any]:
    """The native body of a creation that brings nothing but its args. Raises Invalid."""
    if not isinstance(body, dict):
        raise Invalid([Fault("#", "must be a JSON object")])
    return {} if body.get("params") is None else {"args": body["params"]}
