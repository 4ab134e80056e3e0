"""PATCH and PUT of a job: its request is changed in one transaction that holds the row."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from service.access.audit import Origin, record
from service.access.principal import Principal
from service.db.connection import Connection, Executor
from service.errors import Fault, Invalid, NotChangeable, NotFound, WrongState
from service.files.names import clean_name, media_type
from service.jobs.attach import let_go, store_attachment
from service.jobs.control import Versions, may_control, refuse_version
from service.jobs.core import Core
from service.jobs.job import Row
from service.jobs.merge import merge_patch
from service.jobs.new_args import new_args
from service.jobs.queue import Message
from service.jobs.schemas import MOST_LABELS, JobIn, JobPatch, NotifyIn
from service.jobs.secret_args import Kept
from service.jobs.states import PRIORITIES, Priority, Status
from service.jobs.store import read_jobs
from service.jobs.submit import offer
from service.web.encoding import dumps, fragment
from service.web.payload import load

ALWAYS = frozenset(
    {"description", "labels", "category", "sub_category", "publish_link_access_scope", "purge_at"}
)
# Known from creation on: 409, where an unknown field is 422.
FIXED = frozenset({"type", "definition", "idempotency_key"})

WAITING = (Status.PENDING, Status.SUSPENDED)

DEFAULT_SCOPE = "private"

_JOB_PATCH, _JOB_IN, _NOTIFY_IN = JobPatch(), JobIn(), NotifyIn()


async def modify(
    core: Core, principal: Principal, job_id: UUID, patch: Any, versions: Versions, origin: Origin
) -> None:
    """Apply a merge patch. Raises Invalid, NotChangeable, PreconditionFailed, NotFound, Forbidden."""
    await may_control(core, principal, job_id)
    fixed = tuple(sorted(FIXED & patch.keys())) if isinstance(patch, dict) else ()
    try:
        changes = load(
            _JOB_PATCH,
            {name: value for name, value in patch.items() if name not in FIXED} if fixed else patch,
        )
    except Invalid as error:
        raise Invalid(error.faults + await _faults_of_args(core, principal, job_id, patch)) from None
    await _apply(core, principal, job_id, Changes(changes, fixed), versions, origin)


async def _faults_of_args(core: Core, principal: Principal, job_id: UUID, patch: Any) -> list[Fault]:
    """What else is wrong with a patch that is refused anyway."""
    (row,) = await read_jobs(core.pool, [(job_id, principal.tenant_id)])
    asked = patch.get("args") if isinstance(patch, dict) else None
    if row is not None and row["type"] in core.job_types and isinstance(asked, dict):
        try:
            await _new_args(core.pool, core, row, Changes({"args": asked}, ()))
        except Invalid as error:
            return error.faults
    return []


async def replace(
    core: Core, principal: Principal, job_id: UUID, body: Any, versions: Versions, origin: Origin
) -> None:
    """Give a job that has not started a new creation body: what it does not name goes back to its default.

    Type, definition and key stay what they were; naming them as they are is fine. Raises as `modify`, and WrongState.
    """
    await may_control(core, principal, job_id)
    asked = load(_JOB_IN, body)
    changes = {name: asked[name] for name in _JOB_PATCH.fields if name in asked}
    await _apply(core, principal, job_id, Changes(changes, (), asked), versions, origin)


@dataclass(frozen=True, slots=True)
class Changes:
    """Loaded values by name, and what was named though it is fixed; `whole` is the body that replaces all, of PUT."""

    values: dict[str, Any]
    fixed: tuple[str, ...]
    whole: dict[str, Any] | None = None

    def refused(self, row: Row) -> tuple[str, ...]:
        """The fields that can't be changed in the row's state."""
        if self.whole is not None:
            return tuple(name for name in sorted(FIXED) if self.whole[name] not in (None, row[name]))
        waiting = row["status"] in WAITING
        return self.fixed + tuple(sorted(self.values.keys() - ALWAYS if not waiting else ()))


async def _apply(
    core: Core, principal: Principal, job_id: UUID, wanted: Changes, versions: Versions, origin: Origin
) -> None:
    changes = wanted.values
    asked = changes.get("attachment")
    is_new = wanted.whole is not None or (asked is not None and (asked["file"], asked["id"]) != (None, None))
    attached = await store_attachment(core, principal, asked) if asked and is_new else None
    async with core.pool.acquire() as connection, connection.transaction():
        await connection.fetchval(LOCK, job_id, principal.tenant_id)
        (row,) = await read_jobs(connection, [(job_id, principal.tenant_id)])
        if row is None:
            raise NotFound("no such job")
        refuse_version(row["version"], versions)
        waiting = row["status"] in WAITING
        if wanted.whole is not None and not waiting:
            raise WrongState(row["status"], WAITING)
        if refused := wanted.refused(row):
            raise NotChangeable(refused, row["status"])
        if asked and not is_new:
            attached = renamed(row, asked)
        if changes:
            args = await _new_args(connection, core, row, wanted)
            await connection.execute(APPLY_JOB, job_id, *_job_columns(core, row, changes))
            await connection.execute(
                APPLY_REQUEST, job_id, *_request_columns(core, row, args, wanted, attached), principal.name
            )
            if "publish_link_access_scope" in changes:
                await connection.execute(
                    APPLY_SCOPE, job_id, changes["publish_link_access_scope"] or DEFAULT_SCOPE
                )
            if "attachment" in changes:
                await exchange(connection, row["attachment_file_id"], (attached or {}).get("id"))
            (after,) = await read_jobs(connection, [(job_id, principal.tenant_id)])
            assert after is not None  # noqa: S101 - its row is held
            told = {name: _was_and_is(name, row, after) for name in changes}
            await record(connection, principal, "modify", "job", str(job_id), told, origin)
    core.dispatcher.changed(job_id, principal.tenant_id)
    if waiting and changes.keys() & {"run_at", "priority", "worker_tag"}:
        await core.dispatcher.withdraw(Message.of(row))
        (row,) = await read_jobs(core.pool, [(job_id, principal.tenant_id)])
        if row is not None and row["status"] == Status.PENDING:
            offer(core, row)


_ONLY_NAMED = frozenset({"args", "attachment", "notify"})  # large, and the audit is kept for ever


def _was_and_is(name: str, before: Row, after: Row) -> list[Any] | None:
    """What the audit tells of a field that was changed."""
    if name in _ONLY_NAMED:
        return None
    if name == "priority":
        return [PRIORITIES[row[name]] for row in (before, after)]
    return [fragment(row[name]) if name == "labels" else row[name] for row in (before, after)]


LOCK = "SELECT 1 FROM jobs WHERE id = $1 AND tenant_id = $2 FOR NO KEY UPDATE"

APPLY_JOB = """
UPDATE jobs SET priority = $2, worker_tag = $3, max_attempts = $4, timeout_seconds = $5,
    due_at = CASE WHEN $6::bool THEN greatest(date_trunc('milliseconds', now()), $7::timestamptz) ELSE due_at END,
    start_by = CASE WHEN $8::bool THEN created_at + make_interval(secs => $9::int) ELSE start_by END,
    purge_at = $10, modified_at = now(), version = version + 1, updated_at = now()
WHERE id = $1
"""


def _job_columns(core: Core, row: Row, changes: dict[str, Any]) -> tuple[Any, ...]:
    job_type = core.job_types.get(row["type"])
    defaults: dict[str, Any] = {
        "priority": job_type.priority if job_type else Priority.DEFAULT,
        "max_attempts": job_type.max_attempts if job_type else 1,
        "timeout_seconds": job_type.timeout_seconds if job_type else 3600,
    }
    wanted = {
        name: changes[name] or default if name in changes else None for name, default in defaults.items()
    }
    return (
        row["priority"] if wanted["priority"] is None else PRIORITIES.index(Priority(wanted["priority"])),
        (changes["worker_tag"] or None) if "worker_tag" in changes else row["worker_tag"],
        wanted["max_attempts"] or row["max_attempts"],
        wanted["timeout_seconds"] or row["timeout_seconds"],
        "run_at" in changes,
        changes.get("run_at"),
        "expires_in" in changes,
        changes.get("expires_in"),
        changes["purge_at"] if "purge_at" in changes else row["purge_at"],
    )


APPLY_REQUEST = """
UPDATE job_requests SET args = $2, attachment_file_id = $3, attachment_url = $4, attachment_name = $5,
    attachment_mime_type = $6, description = $7, category = $8, sub_category = $9, labels = $10,
    client_request_id = $11, correlation_id = $12, can_rerun = $13, run_at = $14, expires_in = $15,
    publish_link_access_scope = $16, notify = $17,
    sealed_args = CASE WHEN $18::bool THEN $19 ELSE sealed_args END, modified_by = $20
WHERE job_id = $1
"""


def _request_columns(
    core: Core, row: Row, args: Kept | None, wanted: Changes, attached: dict[str, Any] | None
) -> tuple[Any, ...]:
    changes, job_type = wanted.values, core.job_types.get(row["type"])
    labels = row["labels"]
    if "labels" in changes:
        new = _merged(labels, changes["labels"], wanted)
        if len(new) > MOST_LABELS:
            raise Invalid([Fault("#/labels", f"a job has at most {MOST_LABELS} labels")])
        labels = dumps(new).decode()
    attachment = tuple(row[f"attachment_{name}"] for name in ("file_id", "url", "name", "mime_type"))
    if "attachment" in changes:
        if attached is None and job_type is not None and job_type.needs_attachment:
            raise Invalid([Fault("#/attachment", f"the job type {job_type.code} needs an attachment")])
        attachment = tuple((attached or {}).get(name) for name in ("id", "url", "name", "mime_type"))
    defaults: dict[str, Any] = {"can_rerun": True, "publish_link_access_scope": DEFAULT_SCOPE}
    if job_type is not None:
        defaults |= {name: getattr(job_type, name) for name in ("category", "sub_category", "can_rerun")}

    def value(name: str) -> Any:
        given = changes.get(name, row[name])
        return defaults.get(name) if given is None else given

    return (
        args.shown if args else row["args"],
        *attachment,
        *map(value, ("description", "category", "sub_category")),
        labels,
        *map(value, ("client_request_id", "correlation_id", "can_rerun")),
        *map(value, ("run_at", "expires_in", "publish_link_access_scope")),
        _notify(row, wanted),
        args is not None,
        args and args.sealed,
    )


async def _new_args(connection: Executor, core: Core, row: Row, wanted: Changes) -> Kept | None:
    if "args" not in wanted.values:
        return None
    return await new_args(connection, core, row, lambda text: _merged(text, wanted.values["args"], wanted))


def _notify(row: Row, wanted: Changes) -> str | None:
    text: str | None = row["notify"]
    if "notify" not in wanted.values:
        return text
    if wanted.values["notify"] is None:
        return None
    new = _merged(text or "{}", wanted.values["notify"], wanted)
    return dumps(load(_NOTIFY_IN, new, "#/notify")).decode()


def _merged(text: str, change: dict[str, Any] | None, wanted: Changes) -> dict[str, Any]:
    """The object after the change: replaced by PUT, merged by PATCH, empty after null."""
    if wanted.whole is not None or change is None:
        return change or {}
    merged: dict[str, Any] = merge_patch(orjson.loads(text), change)
    return merged


def renamed(row: Row, patch: dict[str, Any]) -> dict[str, Any]:
    """The attachment that the job has, under the name and type of the patch. Raises Invalid when it has none."""
    if row["attachment_file_id"] is None and row["attachment_url"] is None:
        raise Invalid([Fault("#/attachment", "needs either file or id")])
    name = clean_name(patch["name"]) if patch["name"] else row["attachment_name"]
    typed = media_type(patch["mime_type"], name or "") if patch["mime_type"] else row["attachment_mime_type"]
    return {"id": row["attachment_file_id"], "url": row["attachment_url"], "name": name, "mime_type": typed}


APPLY_SCOPE = "UPDATE links SET scope = $2 WHERE job_id = $1 AND output_id IS NULL"

KEEP = "UPDATE files SET expires_at = NULL WHERE id = $1"


async def exchange(connection: Connection, former: UUID | None, kept: UUID | None) -> None:
    if kept is not None:
        await connection.execute(KEEP, kept)
    if former is not None and former != kept:
        await let_go(connection, former)
