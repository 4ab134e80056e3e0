"""Run an ended job again, under its id, or as a new job with the same request."""

from typing import Any
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from service.access.audit import Origin
from service.access.principal import Permission, Principal
from service.db.connection import Connection, Executor
from service.errors import CapExceeded, Forbidden, NotFound, NotRerunnable, SecretsLost, WrongState
from service.jobs.control import Versions, may_control, move, offer_if_pending, refuse_version
from service.jobs.core import Core
from service.jobs.job import Row
from service.jobs.secret_args import place_of
from service.jobs.states import TERMINAL, Status
from service.jobs.store import NewJob, read_jobs, sealed_args
from service.jobs.submit import Prepared, Submitted, insert
from service.sealing import Unsealable

_ENDED = tuple(status for status in Status if status in TERMINAL)

RERUN = """
WITH again AS (
    UPDATE jobs SET
        status = 'pending', run = run + 1, attempt = 1, crashes = 0, percent_completed = 0, running_output = NULL,
        status_text = NULL, response_type = NULL, output = NULL, error = NULL, started_at = NULL, terminated_at = NULL,
        cancel_requested_at = NULL, purge_at = NULL, start_by = NULL, due_at = date_trunc('milliseconds', now()),
        version = version + 1, updated_at = now()
    WHERE id = $1 AND tenant_id = $2 AND status IN ('finished', 'failed', 'cancelled')
      AND EXISTS (SELECT FROM job_requests WHERE job_id = $1 AND can_rerun)
    RETURNING id, status
), asked AS (
    UPDATE job_requests SET run_at = NULL FROM again WHERE job_id = again.id
)
SELECT status FROM again
"""


async def rerun_job(
    core: Core, principal: Principal, job_id: UUID, versions: Versions, origin: Origin
) -> None:
    """Run an ended job again, under its id and publish link."""
    await may_control(core, principal, job_id)
    await move(core, principal, "rerun", RERUN, job_id, versions, _ENDED, origin, _refuse)
    await offer_if_pending(core, principal, job_id)


ROOM_TO_QUEUE = "SELECT room_to_queue($1)"


async def _refuse(connection: Connection, principal: Principal, job: asyncpg.Record) -> None:
    """Raise what forbids a rerun: the job's own word, or its tenant's cap of queued jobs, which is held then."""
    if not job["can_rerun"]:
        raise NotRerunnable(job["status"])
    if principal.caps.queued is not None:
        room = await connection.fetchval(ROOM_TO_QUEUE, principal.tenant_id)
        if room is not None and room < 1:
            raise CapExceeded("queued", principal.caps.queued)


async def rerun_as_new(
    core: Core, principal: Principal, job_id: UUID, versions: Versions, origin: Origin
) -> Submitted:
    """Make a new job with an ended job's request. Raises CapExceeded besides."""
    await may_control(core, principal, job_id)
    if not principal.may(Permission.JOBS_CREATE):
        raise Forbidden("this needs the permission jobs:create")
    row = await _row(core.pool, principal, job_id)
    refuse_version(row["version"], versions)
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
        "key_id": principal.key_id,
        "address": origin.address,
        "request_id": origin.request_id,
        "traceparent": origin.traceparent,
        "is_scheduled": False,
    }
    fresh |= await _args_of(core, row, principal.tenant_id, fresh["id"])
    job = NewJob(**{name: fresh[name] if name in fresh else row[name] for name in NewJob._fields})
    attached = {"size": row["attachment_size"], "sha256": row["attachment_sha256"]}
    return await insert(core, principal, Prepared(job, attached))


async def _args_of(core: Core, row: Row, tenant_id: int, new_id: UUID) -> dict[str, str | None]:
    """The job's args for another job: what is sealed is sealed for one job alone. Raises WrongState."""
    sealed = await sealed_args(core.pool, tenant_id, row["id"])
    if sealed is None:
        return {"sealed_args": None}
    try:
        args = core.sealer.open(sealed, place_of(tenant_id, row["id"]))
    except Unsealable:
        raise SecretsLost(row["status"]) from None
    return {"sealed_args": core.sealer.seal(args, place_of(tenant_id, new_id))}


async def _row(connection: Executor, principal: Principal, job_id: UUID) -> Row:
    (row,) = await read_jobs(connection, [(job_id, principal.tenant_id)])
    if row is None:
        raise NotFound("no such job")
    return row
