"""Jobs and documents in AIMS360's words. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import orjson

from service.errors import Invalid, LavoriError, Malformed, WrongState
from service.jobs.job import STATUS_TEXTS, Row
from service.jobs.states import TERMINAL, Status
from service.web.encoding import dumps, timestamp

WORDS: Mapping[Status, str] = {
    Status.PENDING: "Queued",
    Status.SUSPENDED: "Queued",
    Status.RUNNING: "Inprogress",
    Status.FINISHED: "Completed",
    Status.FAILED: "Failed",
    Status.CANCELLED: "Failed",
}
SCOPES: Mapping[str, str] = {
    "public": "Public",
    "private": "Private",
    "organization": "PeopleInOrganization",
}
PUBLISHED, INLINE = "Publishlink", "In-line JSON"
CANCELLED = "The job was cancelled"
KEPT = timedelta(days=30)  # what purgeDateTime shows where nothing else is settled
JOBS, DOCUMENTS = "/jobsmanagement/odata/v1.0", "/documentmanagement/odata/v1.0"
DOCUMENT = "/documentmanagement/v1.0/aimsdocument"
_ID = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:-([0-9]{17}))?", re.ASCII | re.IGNORECASE)
MIB = 1 << 20


def refusal(error: LavoriError) -> tuple[int, Any]:
    """OData's form of an error; what is wrong with a body, or with a job's state, is 400."""
    status = Malformed.status if isinstance(error, Invalid | WrongState) else error.status
    return status, {"error": {"code": error.code, "message": str(error)}}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is shown of a job besides its row: of its tenant, its types (descriptions by code), and links to it."""

    base: str
    token: Callable[[UUID], str]
    client: UUID
    database: str | None
    account: str | None
    descriptions: Mapping[str, str]


def stamped(id_: UUID, created_at: datetime) -> str:
    """An id in the vendor's form: with the time of creation, to the millisecond, in UTC."""
    return f"{id_}-{created_at:%Y%m%d%H%M%S}{created_at.microsecond // 1000:03d}"


def read_id(text: str) -> tuple[UUID, datetime | None] | None:
    """An id in the vendor's form, or a plain UUID without the time; None for what is neither."""
    found = _ID.fullmatch(text)
    if found is None:
        return None
    try:
        stamp = found[2] and datetime.strptime(f"{found[2]}000", "%Y%m%d%H%M%S%f").replace(tzinfo=UTC)
    except ValueError:
        return None
    return UUID(found[1]), stamp or None


def status_text(row: Row, _: Facts) -> str:
    """What a person reads about the status: what the job says of itself, or why it ended as it did."""
    status = Status(row["status"])
    why = orjson.loads(row["error"])["message"] if row["error"] else None
    if status is Status.CANCELLED:
        return f"{CANCELLED}: {why}" if why else CANCELLED
    if status is Status.FAILED and why:
        return str(why)
    return (row["status_text"] if status is Status.RUNNING else None) or STATUS_TEXTS[status]


def response_type(row: Row, _: Facts) -> str:
    """How the result comes; under way, as the job's publish link lets expect."""
    expected = row["status"] not in TERMINAL and row["link_id"] is not None
    return PUBLISHED if row["response_type"] == "publish_link" or expected else INLINE


def publish_link(row: Row, facts: Facts) -> str | None:
    """The address of the job's output; None for a result that is inline."""
    if row["link_id"] is None or response_type(row, facts) == INLINE:
        return None
    return document_link(facts, row["link_id"], row["link_created_at"], row["publish_link_access_scope"])


def request_url(row: Row, facts: Facts) -> str:
    """The address of the original request, for who may see the job."""
    return f"{facts.base.rstrip('/')}{DOCUMENT}/{stamped(row['id'], row['created_at'])}"


def document_link(facts: Facts, id_: UUID, created_at: datetime, scope: str) -> str:
    """Where a document can be downloaded: with a token where that is all it takes, else with a login."""
    address = f"{facts.base.rstrip('/')}{DOCUMENT}/{stamped(id_, created_at)}"
    return f"{address}/{facts.token(id_)}" if scope == "public" else address


def response(row: Row, facts: Facts) -> str | None:
    """JSON: the result, or the documents that hold it, or the error; None while under way, and when cancelled."""
    match Status(row["status"]):
        case Status.FAILED:
            return str(row["error"])
        case Status.FINISHED if row["response_type"] == "publish_link":
            return dumps(_documents(row, facts)).decode()
        case Status.FINISHED if row["output"] is not None:
            return _as_json(row["output"])
    return None


def _as_json(text: str) -> str:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return dumps(text).decode()
    return text


def _documents(row: Row, facts: Facts) -> list[dict[str, Any]]:
    found = []
    for output in orjson.loads(row["outputs"] or "[]"):
        created_at, expires_at = (
            output[name] and datetime.fromisoformat(output[name]) for name in ("created_at", "expires_at")
        )
        id_ = UUID(output["id"])
        found.append(
            {
                "DocumentGUID": stamped(id_, created_at),
                "documentName": output["name"],
                "DownloadLink": document_link(facts, id_, created_at, row["publish_link_access_scope"]),
                "SizeInMB": output["size"] / MIB,
                "Type": PurePosixPath(output["name"]).suffix,
                "DocumentID": stamped(id_, created_at),
                "ExpiryDate": _shown(earliest(expires_at, row["link_expires_at"])),
                "Version": "1.0",
            }
        )
    return found


def file_type(name: str) -> str:
    """What a document is, by the ending of its name: `CSV`; empty without one."""
    return PurePosixPath(name).suffix[1:].encode(errors="replace").upper().decode()


def earliest(*times: datetime | None) -> datetime | None:
    """The first of these times; None when there is none."""
    return min((time for time in times if time is not None), default=None)


def _shown(time: datetime | None) -> str | None:
    return None if time is None else timestamp(time)


def started(row: Row, facts: Facts) -> dict[str, Any]:
    """What is answered to a request that has put a job into the queue."""
    return {
        "jobId": stamped(row["id"], row["created_at"]),
        "jobStatus": WORDS[Status.PENDING],
        "publishLink": row["link_id"]
        and document_link(facts, row["link_id"], row["link_created_at"], row["publish_link_access_scope"]),
        "publishLinkAccessScope": SCOPES[row["publish_link_access_scope"]].upper(),
    }
