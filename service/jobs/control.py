"""What people do to a job: cancel, suspend, resume, delete; to rerun it is in rerun.py.

Every move holds the job's row, says why it can't be made (of what it found there), and is then one statement whose
WHERE names the states that allow it all the same.
"""

from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg
import structlog

from service.access.audit import Origin, record
from service.access.principal import Principal
from service.db.connection import Connection
from service.errors import (
    Forbidden,
    NotFound,
    PreconditionFailed,
    WrongState,
)
from service.files.store import expire_files_of_jobs
from service.jobs.core import Core
from service.jobs.owed import keep_what_is_owed
from service.jobs.states import Status
from service.jobs.store import read_jobs
from service.jobs.submit import offer

log = structlog.get_logger()

Versions = list[int] | None
"""The versions that If-Match allows; None when any will do."""

_UNDER_WAY = (Status.PENDING, Status.SUSPENDED, Status.RUNNING)
_NOT_RUNNING = tuple(status for status in Status if status is not Status.RUNNING)


def no_such_job() -> NotFound:
    """What is said of a job that is not there, or not to be seen."""
    return NotFound("no such job")


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
WHERE id = $1 AND tenant_id = $2 AND status IN ('pending', 'suspended', 'running')
RETURNING status
"""


async def cancel(core: Core, principal: Principal, job_id: UUID, versions: Versions, origin: Origin) -> bool:
    """Cancel a job: True when it is cancelled, False when it runs and is asked to stop."""
    await may_control(core, principal, job_id)
    status = await move(core, principal, "cancel", CANCEL, job_id, versions, _UNDER_WAY, origin)
    if status == Status.RUNNING:
        await core.dispatcher.cancel(job_id)
    return status == Status.CANCELLED


SUSPEND = """
UPDATE jobs SET status = 'suspended', modified_at = now(), version = version + 1, updated_at = now()
WHERE id = $1 AND tenant_id = $2 AND status = 'pending'
RETURNING status
"""


async def suspend(core: Core, principal: Principal, job_id: UUID, versions: Versions, origin: Origin) -> None:
    """Hold a pending job back."""
    await may_control(core, principal, job_id)
    await move(core, principal, "suspend", SUSPEND, job_id, versions, (Status.PENDING,), origin)


RESUME = """
UPDATE jobs SET status = 'pending', version = version + 1, updated_at = now()
WHERE id = $1 AND tenant_id = $2 AND status = 'suspended'
RETURNING status
"""


async def resume(core: Core, principal: Principal, job_id: UUID, versions: Versions, origin: Origin) -> None:
    """Let a suspended job wait for its turn again."""
    await may_control(core, principal, job_id)
    await move(core, principal, "resume", RESUME, job_id, versions, (Status.SUSPENDED,), origin)
    await offer_if_pending(core, principal, job_id)


DELETE = """
DELETE FROM jobs WHERE id = $1 AND tenant_id = $2 AND status <> 'running'
"""


async def delete(core: Core, principal: Principal, job_id: UUID, versions: Versions, origin: Origin) -> None:
    """Remove a job that does not run, with its history; its files go at the next purge."""
    await may_control(core, principal, job_id)
    async with core.pool.acquire() as connection, connection.transaction():
        before = await _hold(connection, principal, job_id, versions, _NOT_RUNNING)
        await _remove(connection, principal, job_id, before, origin)
    core.dispatcher.changed(job_id, principal.tenant_id)


async def _remove(
    connection: Connection, principal: Principal, job_id: UUID, before: asyncpg.Record, origin: Origin
) -> None:
    await keep_what_is_owed(connection, principal.tenant_id, job_id)
    await expire_files_of_jobs(connection, principal.tenant_id, [job_id])
    await connection.execute(DELETE, job_id, principal.tenant_id)
    changes = {"status": [before["status"], None], "created_by": [before["created_by"], None]}
    await record(connection, principal, "delete", "job", str(job_id), changes, origin)


async def stop(core: Core, principal: Principal, job_id: UUID, origin: Origin) -> bool:
    """Remove a job that waits, or ask one that runs to stop, whichever it does at this one moment.

    True when it is gone, False when it was asked. A worker that is just about to take it finds it held: it comes
    either before, and the job runs, or after, and there is no job.
    """
    await may_control(core, principal, job_id)
    async with core.pool.acquire() as connection, connection.transaction():
        before = await _hold(connection, principal, job_id, None, _UNDER_WAY)
        runs = before["status"] == Status.RUNNING
        if runs:
            await _moved(connection, principal, "cancel", CANCEL, job_id, before, origin)
        else:
            await _remove(connection, principal, job_id, before, origin)
    core.dispatcher.changed(job_id, principal.tenant_id)
    if runs:
        log.info("job moved", action="job.moved", job_id=str(job_id), by="cancel", status=Status.RUNNING)
        await core.dispatcher.cancel(job_id)
    return not runs


TOUCH = "UPDATE job_requests SET modified_by = $2 WHERE job_id = $1 AND modified_by <> $2"


async def move(
    core: Core,
    principal: Principal,
    action: str,
    statement: str,
    job_id: UUID,
    versions: Versions,
    allowed: tuple[Status, ...],
    origin: Origin,
    refuse: Callable[[Connection, Principal, asyncpg.Record], Awaitable[None]] | None = None,
) -> str:
    """Make one guarded move, with its audit row, in a transaction; answers the status that the job has then.

    `refuse` looks at the job while it is held, and raises what forbids this move besides.
    """
    async with core.pool.acquire() as connection, connection.transaction():
        before = await _hold(connection, principal, job_id, versions, allowed)
        if refuse is not None:
            await refuse(connection, principal, before)
        status = await _moved(connection, principal, action, statement, job_id, before, origin)
    core.dispatcher.changed(job_id, principal.tenant_id)
    log.info("job moved", action="job.moved", job_id=str(job_id), by=action, status=status)
    if status == Status.CANCELLED:
        core.system.finished(before["type"], status).inc()
    return status


async def _moved(
    connection: Connection,
    principal: Principal,
    action: str,
    statement: str,
    job_id: UUID,
    before: asyncpg.Record,
    origin: Origin,
) -> str:
    status: str = await connection.fetchval(statement, job_id, principal.tenant_id)
    await connection.execute(TOUCH, job_id, principal.name)
    changes = {"status": [before["status"], status]}
    await record(connection, principal, action, "job", str(job_id), changes, origin)
    return status


HOLD = """
SELECT jobs.type, jobs.status, jobs.version, jobs.created_by, asked.can_rerun
FROM jobs JOIN job_requests AS asked ON asked.job_id = jobs.id
WHERE jobs.id = $1 AND jobs.tenant_id = $2
FOR NO KEY UPDATE OF jobs
"""


async def _hold(
    connection: Connection,
    principal: Principal,
    job_id: UUID,
    versions: Versions,
    allowed: tuple[Status, ...],
) -> asyncpg.Record:
    """Hold the job's row until the transaction ends: nothing else moves it now. Raises what forbids the move."""
    now = await connection.fetchrow(HOLD, job_id, principal.tenant_id)
    if now is None:
        raise NotFound("no such job")
    refuse_version(now["version"], versions)
    if now["status"] not in allowed:
        raise WrongState(now["status"], allowed)
    return now


def refuse_version(version: int, allowed: Versions) -> None:
    """Raise PreconditionFailed when the job is at another version than the caller will have."""
    if allowed is not None and version not in allowed:
        raise PreconditionFailed(f"the job is at version {version}")


async def offer_if_pending(core: Core, principal: Principal, job_id: UUID) -> None:
    """Offer a job that a move has left waiting."""
    (row,) = await read_jobs(core.pool, [(job_id, principal.tenant_id)])
    if row is not None and row["status"] == Status.PENDING:
        offer(core, row)
