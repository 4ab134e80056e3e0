"""A definition as the API shows it, and as it is given back to be changed. Pure."""

from typing import Any

import orjson

from service.jobs.job import Row, attachment_view
from service.jobs.states import PRIORITIES
from service.web.encoding import fragment


def definition_view(row: Row) -> dict[str, Any]:
    """The whole definition; `row` has the columns of store.READ."""
    return {
        "code": row["code"],
        "type": row["type"],
        "name": row["name"],
        "description": row["description"],
        "args": fragment(row["args"]),
        "attachment": attachment_view(row),
        "priority": PRIORITIES[row["priority"]],
        "worker_tag": row["worker_tag"],
        "publish_link_access_scope": row["publish_link_access_scope"],
        "timeout_seconds": row["timeout_seconds"],
        "max_attempts": row["max_attempts"],
        "labels": fragment(row["labels"]),
        "shared_with": row["shared_with"],
        "schedule": schedule_view(row),
        "options": fragment(row["options"]),
        "version": row["version"],
        "created_by": row["created_by"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


def schedule_view(row: Row) -> dict[str, Any] | None:
    """The schedule, and how far it has come; None without one."""
    if row["schedule"] is None:
        return None
    return {
        **orjson.loads(row["schedule"]),
        "next_run_at": row["next_run_at"],
        "last_run_at": row["last_run_at"],
        "last_job_id": row["last_job_id"],
    }


def request_of(row: Row) -> dict[str, Any]:
    """The definition as a body that would make it, but for its attachment: what a merge patch is applied to."""
    return {
        "type": row["type"],
        "name": row["name"],
        "description": row["description"],
        "args": orjson.loads(row["args"]),
        "priority": PRIORITIES[row["priority"]],
        "worker_tag": row["worker_tag"],
        "publish_link_access_scope": row["publish_link_access_scope"],
        "timeout_seconds": row["timeout_seconds"],
        "max_attempts": row["max_attempts"],
        "labels": orjson.loads(row["labels"]),
        "shared_with": list(row["shared_with"]),
        "schedule": None if row["schedule"] is None else orjson.loads(row["schedule"]),
        "options": orjson.loads(row["options"]),
    }


_ATTACHED = ("attachment_file_id", "attachment_url", "attachment_name", "attachment_mime_type")


def changed(before: Row, after: Row) -> dict[str, list[Any] | None]:
    """What a change has changed, for the audit: each field as it was and is; args and attachment are only named."""
    was, is_now = request_of(before), request_of(after)
    differing = [name for name in was if was[name] != is_now[name]]
    changes: dict[str, list[Any] | None] = {name: [was[name], is_now[name]] for name in differing}
    if "args" in changes or before["sealed_args"] != after["sealed_args"]:  # they may be large, and secret
        changes["args"] = None
    if any(before[name] != after[name] for name in _ATTACHED):
        changes["attachment"] = None
    return changes
