"""The request that a job was made of, as requestURL gives it back. Pure."""

from typing import Any

import orjson

from service.dialects.aims360 import exports
from service.jobs.job import Row
from service.jobs.states import PRIORITIES
from service.web.encoding import fragment

_SAME = (
    "type", "definition", "description", "category", "sub_category", "worker_tag", "run_at", "expires_in",
    "timeout_seconds", "max_attempts", "publish_link_access_scope", "can_rerun", "client_request_id",
    "correlation_id", "idempotency_key",
)  # fmt: skip


def request_of(row: Row, attachment_url: str) -> dict[str, Any]:
    """The body of exportdata for what it made, else the native creation body; secrets are `***`.

    An attachment that was content is at `attachment_url` now.
    """
    labels = orjson.loads(row["labels"])
    if (original := exports.original(labels)) is not None:
        return original
    body = {name: row[name] for name in _SAME if row[name] is not None}
    body |= {"args": fragment(row["args"]), "priority": PRIORITIES[row["priority"]]}
    if labels:
        body["labels"] = labels
    if row["attachment_file_id"] is not None or row["attachment_url"] is not None:
        named = {name: row[f"attachment_{name}"] for name in ("name", "mime_type")}
        body["attachment"] = {"file": row["attachment_url"] or attachment_url, **named}
    return body
