"""Jobs in Data One's words. Pure."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from service.errors import Fault, Invalid, Malformed
from service.jobs.job import Row, status_text
from service.jobs.jobtype import JobType
from service.jobs.states import Status
from service.web.encoding import fragment

WORDS: Mapping[Status, str] = {
    Status.PENDING: "SUBMITTED",
    Status.SUSPENDED: "SUSPENDED",
    Status.RUNNING: "RUNNING",
    Status.FINISHED: "COMPLETED",
    Status.FAILED: "ERROR",
    Status.CANCELLED: "ABORTED",
}
STATUSES: Mapping[str, Status] = {word: status for status, word in WORDS.items()}
DEFINITION, TYPE = "definition", "type"
ON_DEMAND, SCHEDULE = "on-demand", "schedule"
RUN = "run"
LONGEST_ACTION = 200
LONGEST_KEY = 64
_NO_JOB = UUID(int=0)
_LONG = range(-(2**63), 2**63)
_SENT = {
    "args": "actionVariables",
    "idempotency_key": "extIPID",
    "type": "contractName",
    "definition": "contractName",
}


class Template(NamedTuple):
    """A job type, as a workflow template."""

    id: int
    name: str
    revision: int
    description: str


def template(code: str, job_type: JobType | None) -> Template:
    """The template that a type is; of one that is installed no more only its code is known."""
    # The same on every system; exact in a double.
    number = int(hashlib.sha256(code.encode()).hexdigest()[:12], 16)
    if job_type is None:
        return Template(number, code, 1, "")
    return Template(number, job_type.name, job_type.revision, job_type.description)


def job(row: Row, of: Template) -> dict[str, Any]:
    """A row of store.READ, or of statements.py, in the documented shape; what there is not is the empty text."""
    return {
        "id": str(row["number"]),
        "status": WORDS[Status(row["status"])],
        "statusMessage": orjson.loads(row["error"])["message"] if row["error"] else status_text(row),
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
        "submittedBy": row["created_by"],
        "queue": row["queue"],
        "actor": row["worker_id"] or "",
        "contract": row["definition"] or row["type"],
        "contractType": DEFINITION if row["definition"] else TYPE,
        "contractAction": row["action"] or RUN,
        "contractActionTrigger": SCHEDULE if row["is_scheduled"] else ON_DEMAND,
        "contractActionWorkflowInstance": {
            "id": row["id"],
            "workflowTemplateId": str(of.id),
            "workflowTemplateName": of.name,
            "workflowTemplateRevision": str(of.revision),
            "workflowTemplateDescription": of.description,
        },
        "dfic": {
            "dfiid": row["root_id"] or row["id"],
            "lcid": row["correlation_id"] or row["id"],
            "userAttrs": fragment(row["labels"]),
        },
        "extIPID": row["idempotency_key"] or "",
    }


class Asked(NamedTuple):
    """A submission; `key` is None without an extIPID."""

    contract: str
    action: str
    variables: Any
    key: str | None

    @property
    def scope(self) -> str:
        """Whose idempotency rules hold: the action has a part in the hash, the variables have none."""
        return f"dataone {self.action}"


def asked(body: Any) -> Asked:
    """What a body asks for. Raises Invalid with every fault, and Malformed for an extIPID that is too long."""
    if not isinstance(body, dict):
        raise Invalid([Fault("#", "must be a JSON object")])
    faults = []
    given: dict[str, Any] = {}
    for name, kind, default in (
        ("contractName", str, None),
        ("actionName", str, RUN),
        ("actionVariables", dict, {}),
        ("extIPID", str, ""),
    ):
        value = body.get(name)
        given[name] = default if value is None else value
        if not isinstance(given[name], kind):
            what = "text" if kind is str else "a JSON object"
            faults.append(Fault(f"#/{name}", f"must be {what}"))
    action = given["actionName"] or RUN
    if isinstance(action, str) and len(action) > LONGEST_ACTION:
        faults.append(Fault("#/actionName", f"must be at most {LONGEST_ACTION} characters"))
    if faults:
        raise Invalid(faults)
    if len(given["extIPID"]) > LONGEST_KEY:
        raise Malformed(f"extIPID: must be at most {LONGEST_KEY} characters")
    return Asked(given["contractName"], action, given["actionVariables"], given["extIPID"] or None)


@contextmanager
def pointing_into_the_body() -> Iterator[None]:
    """Let the faults of the native body that are raised in the block point into the one that was sent."""
    try:
        yield
    except Invalid as error:
        raise type(error)([Fault(_pointer(one.pointer), one.detail) for one in error.faults]) from None


def _pointer(native: str) -> str:
    """`#/args/seconds` as `#/actionVariables/seconds`."""
    root, *steps = native.split("/")
    return "/".join([root, *(_SENT.get(step, step) for step in steps[:1]), *steps[1:]])


def asked_id(text: str) -> int | UUID:
    """A job's number, or its UUID. Raises Malformed for what is neither."""
    with suppress(ValueError):
        if (number := int(text)) in _LONG:
            return number
    with suppress(ValueError):
        return UUID(text)
    raise Malformed("id: must be a job's id, which is a long")


def asked_uuid(text: str) -> UUID:
    """A UUID that is compared with those of jobs; one that no job has for what is none."""
    try:
        return UUID(text)
    except ValueError:
        return _NO_JOB
