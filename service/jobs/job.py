"""A job as the API shows it. Pure: a row of store.READ in, a dict in the order of the contract out."""

from collections.abc import Callable
from typing import Any, Protocol
from uuid import UUID

from service.files.names import clean_name, media_type
from service.jobs.attachment import Address
from service.jobs.states import PRIORITIES, Status
from service.web.encoding import fragment


class Row(Protocol):
    """A record of the database, or a dict of the same names."""

    def __getitem__(self, name: str, /) -> Any: ...


LinkUrl = Callable[[UUID], str]

STATUS_TEXTS = {
    Status.PENDING: "Waiting",
    Status.SUSPENDED: "Suspended",
    Status.RUNNING: "Running",
    Status.FINISHED: "Finished",
    Status.FAILED: "Failed",
    Status.CANCELLED: "Cancelled",
}


def job_view(row: Row, link_url: LinkUrl) -> dict[str, Any]:
    """The whole job of CONTRACT section 2; `link_url` makes the address of its publish link."""
    return {
        "id": row["id"],
        "number": row["number"],
        "version": row["version"],
        "type": row["type"],
        "definition": row["definition"],
        "status": row["status"],
        "status_text": status_text(row),
        "percent_completed": row["percent_completed"],
        "running_output": row["running_output"],
        "attachment": attachment_view(row),
        "args": fragment(row["args"]),
        "output": row["output"],
        "response_type": row["response_type"],
        "outputs": fragment(row["outputs"]) or [],
        "publish_link": link_url(row["link_id"]) if row["link_id"] else None,
        "publish_link_access_scope": row["publish_link_access_scope"],
        "publish_link_expires_at": row["link_expires_at"],
        "description": row["description"],
        "category": row["category"],
        "sub_category": row["sub_category"],
        "priority": PRIORITIES[row["priority"]],
        "worker_tag": row["worker_tag"],
        "queue": row["queue"],
        "labels": fragment(row["labels"]),
        "client_request_id": row["client_request_id"],
        "correlation_id": row["correlation_id"],
        "idempotency_key": row["idempotency_key"],
        "run": row["run"],
        "attempt": row["attempt"],
        "max_attempts": row["max_attempts"],
        "timeout_seconds": row["timeout_seconds"],
        "can_rerun": row["can_rerun"],
        "cancel_requested": row["cancel_requested_at"] is not None,
        "error": fragment(row["error"]),
        "created_by": row["created_by"],
        "modified_by": row["modified_by"],
        "run_at": row["run_at"],
        "expires_at": row["start_by"],
        "started_at": row["started_at"],
        "terminated_at": row["terminated_at"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "purge_at": row["purge_at"],
    }


def status_text(row: Row) -> str:
    """What a running job says of itself in a few words; else its status."""
    said: str | None = row["status_text"] if row["status"] == Status.RUNNING else None
    return said or STATUS_TEXTS[row["status"]]


def attachment_view(row: Row) -> dict[str, Any] | None:
    """The attachment: a stored file, or a URL that the worker fetches; null when there is none.

    Until it is fetched it has no size, and a name and type that nobody gave are guessed from the URL.
    """
    if row["attachment_file_id"] is None and row["attachment_url"] is None:
        return None
    name = row["attachment_name"] or clean_name(Address(row["attachment_url"]).name)
    return {
        "name": name,
        "mime_type": row["attachment_mime_type"] or media_type(None, name),
        "size": row["attachment_size"],
        "sha256": row["attachment_sha256"].hex() if row["attachment_sha256"] else None,
        "url": row["attachment_url"],
    }
