"""What people do to a job: cancel, suspend, resume, rerun, modify, delete.

Every move is one guarded statement: its WHERE names the states that allow it, and "no row" is an answer, told
as WrongState
with the state that was found.
"""

from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from service.access.audit import Origin, record
from service.access.principal import Permission, Principal
from service.db.connection import Connection, Executor
from service.errors import Forbidden, NotFound, NotRerunnable, PreconditionFailed, WrongState
from service.files.store import expire_files_of_jobs
from service.jobs.core import Core
from service.jobs.job import Row
from service.jobs.states import TERMINAL, Status
from service.jobs.store import NewJob, read_jobs
from service.jobs.submit import Submitted, insert, offer

Version = int | None
"""The version that If-Match names; None when anything will do."""

_ENDED = tuple(status for status in Status if status in TERMINAL)


async def may_control(core: Core, principal: Principal, job_id: UUID) -> None:
    """Raise NotFound for a job that the caller may not see, Forbidden for one that is not theirs to change."""
    heading = await core.reader.heading(principal, job_id)
    if not principal.may_control(heading.created_by, heading.shared_with):
        raise Forbidden("this job may be read, but not changed, by the caller")


CANCEL = """
UPDATE jobs SET
    status = CASE WHEN status = 'running' THEN status ELSE 'cancelled' END,
    terminated_at = CASE WHEN status = 'running' THEN NULL ELSE now() END,
    purge_at = CASE WHEN status = 'running' THEN purge_at ELSE coalesce(purge_at,
        (SELECT now() + make_interval(days => (retention ->> 'jobs')::int) FROM tenants WHERE tenants.id =
        jobs.tenant_id)) END,
    cancel_requested_at = coalesce(cancel_requested_at, now()),
    version = version + 1, updated_at = now()
WHERE id = $1 AND tenant_id = $2 AND status IN ('pending', 'suspended', 'running') AND ($3::int IS NULL OR version = $3)
RETURNING status
"""


async def cancel(core: Core, principal: Principal, job_id: UUID, version: Version, origin: Origin) -> bool:
    """Cancel a job: True when it is cancelled, False when it runs and is asked to stop."""
    await may_control(core, principal, job_id)
    status = await _move(
        core,
        principal,
        "cancel",
        CANCEL,
        job_id,
        version,
        (Status.PENDING, Status.SUSPENDED, Status.RUNNING),
        origin,
    )
    if status == Status.RUNNING:
        await core.dispatcher.cancel(job_id)
    return status == Status.CANCELLED


SUSPEND = """
UPDATE jobs SET status = 'suspended', modified_at = now(), version = version + 1, updated_at = now()
WHERE id = $1 AND tenant_id = $2 AND status = 'pending' AND ($3::int IS NULL OR version = $3)
RETURNING status
"""


async def suspend(core: Core, principal: Principal, job_id: UUID, version: Version, origin: Origin) -> None:
    """Hold a pending job back."""
    await may_control(core, principal, job_id)
    await _move(core, principal, "suspend", SUSPEND, job_id, version, (Status.PENDING,), origin)


RESUME = """
UPDATE jobs SET status = 'pending', version = version + 1, updated_at = now()
WHERE id = $1 AND tenant_id = $2 AND status = 'suspended' AND ($3::int IS NULL OR version = $3)
RETURNING status
"""


async def resume(core: Core, principal: Principal, job_id: UUID, version: Version, origin: Origin) -> None:
    """Let a suspended job wait for its turn again."""
    await may_control(core, principal, job_id)
    await _move(core, principal, "resume", RESUME, job_id, version, (Status.SUSPENDED,), origin)
    await _offer(core, principal, job_id)


RERUN = """
WITH again AS (
    UPDATE jobs SET status = 'pending', run = run + 1, attempt = 1, crashes = 0, percent_completed = 0,
    running_output = NULL,
                    status_text = NULL, response_type = NULL, output = NULL, error = NULL, started_at = NULL,
                    terminated_at = NULL,
                    cancel_requested_at = NULL, purge_at = NULL, start_by = NULL, due_at =
                    date_trunc('milliseconds', now()),
                    version = version + 1, updated_at = now()
    WHERE id = $1 AND tenant_id = $2 AND status IN ('finished', 'failed', 'cancelled') AND ($3::int IS NULL OR
    version = $3)
      AND EXISTS (SELECT FROM job_requests WHERE job_id = $1 AND can_rerun)
    RETURNING id, status
), asked AS (
    UPDATE job_requests SET run_at = NULL, modified_by = $4 FROM again WHERE job_id = again.id
)
SELECT status FROM again
"""


async def rerun(core: Core, principal: Principal, job_id: UUID, version: Version, origin: Origin) -> None:
    """Run an ended job again, under its id and publish link."""
    await may_control(core, principal, job_id)
    await _move(core, principal, "rerun", RERUN, job_id, version, _ENDED, origin, principal.name)
    await _offer(core, principal, job_id)


async def rerun_as_new(core: Core, principal: Principal, job_id: UUID, version: Version) -> Submitted:
    """Make a new job with an ended job's request."""
    if not principal.may(Permission.JOBS_CREATE):
        raise Forbidden("this needs the permission jobs:create")
    await may_control(core, principal, job_id)
    row = await _row(core.pool, principal, job_id)
    if version is not None and row["version"] != version:
        raise PreconditionFailed(f"the job is at version {row['version']}")
    if row["status"] not in TERMINAL:
        raise WrongState(row["status"], _ENDED)
    if not row["can_rerun"]:
        raise NotRerunnable(row["status"])
    fresh: dict[str, Any] = {
        "id": uuid7(),
        "tenant_id": principal.tenant_id,
        "created_by": principal.name,
        "idempotency_key": None,
        "run_at": None,
        "root_id": row["root_id"] or job_id,
        "digest": None,
        "request_hash": None,
    }
    job = NewJob(**{name: fresh[name] if name in fresh else row[name] for name in NewJob._fields})
    return await insert(
        core, principal, job, {"size": row["attachment_size"], "sha256": row["attachment_sha256"]}
    )


DELETE = """
DELETE FROM jobs WHERE id = $1 AND tenant_id = $2 AND status <> 'running' AND ($3::int IS NULL OR version = $3)
RETURNING status
"""


async def delete(core: Core, principal: Principal, job_id: UUID, version: Version, origin: Origin) -> None:
    """Remove a job that does not run, with its history; its files go at the next purge."""
    await may_control(core, principal, job_id)
    async with core.pool.acquire() as connection, connection.transaction():
        await expire_files_of_jobs(connection, principal.tenant_id, [job_id])
        status = await connection.fetchval(DELETE, job_id, principal.tenant_id, version)
        if status is None:
            allowed = tuple(one for one in Status if one is not Status.RUNNING)
            await _explain_refusal(connection, principal, job_id, version, allowed)
        await record(connection, principal, "delete", "job", str(job_id), {"status": [status, None]}, origin)
    core.dispatcher.changed(job_id, principal.tenant_id)


async def _move(
    core: Core,
    principal: Principal,
    action: str,
    statement: str,
    job_id: UUID,
    version: Version,
    allowed: tuple[Status, ...],
    origin: Origin,
    *more: object,
) -> str:
    """Run one guarded statement and its audit row in a transaction; answers the status that the job has now."""
    async with core.pool.acquire() as connection, connection.transaction():
        status: str | None = await connection.fetchval(statement, job_id, principal.tenant_id, version, *more)
        if status is None:
            await _explain_refusal(connection, principal, job_id, version, allowed)
            raise NotFound("no such job")  # unreachable; keeps `status` a text for the type checker
        await record(connection, principal, action, "job", str(job_id), {"status": [None, status]}, origin)
    core.dispatcher.changed(job_id, principal.tenant_id)
    return status


NOW = """
SELECT status, version, can_rerun FROM jobs JOIN job_requests ON job_id = id WHERE id = $1 AND jobs.tenant_id = $2
"""


async def _explain_refusal(
    connection: Connection, principal: Principal, job_id: UUID, version: Version, allowed: tuple[Status, ...]
) -> None:
    """Say why a guarded statement touched nothing."""
    now = await connection.fetchrow(NOW, job_id, principal.tenant_id)
    if now is None:
        raise NotFound("no such job")
    if version is not None and now["version"] != version:
        raise PreconditionFailed(f"the job is at version {now['version']}")
    if now["status"] in allowed and not now["can_rerun"]:
        raise NotRerunnable(now["status"])
    raise WrongState(now["status"], tuple(allowed))


async def _offer(core: Core, principal: Principal, job_id: UUID) -> None:
    (row,) = await read_jobs(core.pool, [(job_id, principal.tenant_id)])
    if row is not None and row["status"] == Status.PENDING:
        offer(core, row)


async def _row(connection: Executor, principal: Principal, job_id: UUID) -> Row:
    (row,) = await read_jobs(connection, [(job_id, principal.tenant_id)])
    if row is None:
        raise NotFound("no such job")
    return row
