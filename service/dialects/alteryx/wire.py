"""Jobs in Alteryx's words. Pure."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from service.errors import Fault, Invalid, LavoriError, Malformed
from service.jobs.from_text import from_text
from service.jobs.states import Priority, Status

WORDS: Mapping[Status, str] = {
    Status.PENDING: "Queued",
    Status.SUSPENDED: "Queued",
    Status.RUNNING: "Running",
    Status.FINISHED: "Completed",
    Status.FAILED: "Completed",
    Status.CANCELLED: "Cancelled",
}
DISPOSITIONS: Mapping[Status, str] = {
    **dict.fromkeys(Status, "None"),
    Status.FINISHED: "Success",
    Status.FAILED: "Error",
}
PRIORITIES: Mapping[Priority, str] = {
    Priority.DEFAULT: "Default",
    Priority.LOW: "Low",
    Priority.MEDIUM: "Medium",
    Priority.HIGH: "High",
    Priority.CRITICAL: "Critical",
}
LEVELS: Mapping[str, int] = {"debug": 1, "info": 1, "warning": 2, "error": 3, "output": 4}
SORTS: Mapping[str, str] = {
    "id": "created_at",  # ids are made in the order of time
    "createdate": "created_at",
    "createdatetime": "created_at",
    "status": "status",
    "priority": "priority",
}
_COMPLETE = "complete"  # is accepted for Completed

DELETED, CANCELLED = "Deleted Successfully.", "Cancelled Successfully."
NOT_UNDER_WAY = "This job is not in 'Queued' or 'Running' state."
NOT_PERMITTED = "You do not have permission to cancel this job."


def refusal(error: LavoriError) -> tuple[int, Any]:
    """Alteryx's form of an error; what is wrong with a body is 400."""
    status = Malformed.status if isinstance(error, Invalid) else error.status
    return status, {"message": str(error)}


def job(native: Mapping[str, Any]) -> dict[str, Any]:
    """A native job, without its messages."""
    status = Status(native["status"])
    return {
        "id": native["id"],
        "appId": native["definition"] or native["type"],
        "createDateTime": native["created_at"],
        "status": WORDS[status],
        "disposition": DISPOSITIONS[status],
        "outputs": [
            {
                "id": one["id"],
                "availableFormats": one["available_formats"],
                "fileName": one["name"],
            }
            for one in native["outputs"]
        ],
        "priority": PRIORITIES[Priority(native["priority"])],
        "workerTag": native["worker_tag"] or "",
        "runWithE2": False,
    }


def listed(native: Mapping[str, Any]) -> dict[str, Any]:
    """A native job as the lists show it."""
    whole = job(native)
    named = ("id", "status", "priority", "workerTag", "runWithE2")
    return {"createDate": whole["createDateTime"], **{name: whole[name] for name in named}}


def message(native: Mapping[str, Any]) -> dict[str, Any]:
    """A line of a job's log. `toolId` is a number: 0 where the step that wrote it is none."""
    step = native["tool_id"] or ""
    is_number = step.isascii() and step.isdigit()
    return {
        "status": LEVELS[native["level"]],
        "text": native["text"],
        "toolId": int(step) if is_number else 0,
    }


def statuses(words: Iterable[str]) -> set[Status]:
    """Every status that one of these words stands for. Raises Malformed for what is none of them."""
    known = {word.lower(): {status for status in Status if WORDS[status] == word} for word in WORDS.values()}
    known[_COMPLETE] = known[WORDS[Status.FINISHED].lower()]
    return _meant("a status", words, known, WORDS.values())


def dispositions(words: Iterable[str]) -> set[Status]:
    """Every status that one of these result codes stands for. Raises Malformed."""
    known = {
        word.lower(): {status for status in Status if DISPOSITIONS[status] == word}
        for word in DISPOSITIONS.values()
    }
    return _meant("a result code", words, known, DISPOSITIONS.values())


def priorities(words: Iterable[str]) -> set[Priority]:
    """The priorities of these words. Raises Malformed."""
    known = {word.lower(): {priority} for priority, word in PRIORITIES.items()}
    return _meant("a priority", words, known, PRIORITIES.values())


def _meant(
    what: str, words: Iterable[str], known: Mapping[str, set[Any]], shown: Collection[str]
) -> set[Any]:
    found: set[Any] = set()
    for word in words:
        if word.lower() not in known:
            raise Malformed(f"{word[:100]!r} is not {what}; there are {', '.join(dict.fromkeys(shown))}")
        found |= known[word.lower()]
    return found


def asked_job(body: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    """The native body of a run of a workflow; `params` is the JSON Schema of its type. Raises Invalid."""
    if not isinstance(body, dict):
        raise Invalid([Fault("#", "must be a JSON object")])
    made: dict[str, Any] = {}
    if (tag := body.get("workerTag")) is not None:
        made["worker_tag"] = tag
    if (word := body.get("priority")) is not None:
        try:
            (made["priority"],) = priorities([word if isinstance(word, str) else ""])
        except Malformed as error:
            raise Invalid([Fault("#/priority", str(error))]) from None
    questions = body.get("questions") or []
    is_list = isinstance(questions, list) and all(isinstance(one, dict) for one in questions)
    if not is_list or not all(isinstance(one.get("name"), str) for one in questions):
        raise Invalid([Fault("#/questions", "must be a list of {name, value}")])
    made["args"] = {one["name"]: _answer(one.get("value"), params, one["name"]) for one in questions}
    return made


def _answer(value: Any, params: Mapping[str, Any], name: str) -> Any:
    return from_text(value, params, name) if isinstance(value, str) else value
