"""Notices as people see them: lists, the log of their tries, and telling them again."""

from typing import Any
from uuid import UUID

import asyncpg

from service.db.connection import Connection, Executor
from service.errors import Conflict, NotFound

# `held_until` is of its circuit: others on the same way have failed, and this one waits without spending a try.
LIST = """
SELECT outbox.id, outbox.number, (outbox.job ->> 'id')::uuid AS job_id, (outbox.job ->> 'number')::bigint AS job_number,
       (outbox.job ->> 'run')::int AS run, outbox.job ->> 'status' AS status, outbox.kind, outbox.target,
       outbox.endpoint_id, outbox.state, outbox.tries, outbox.last_error, outbox.created_at, outbox.ended_at,
       CASE WHEN outbox.state = 'pending' THEN outbox.next_at END AS next_at,
       CASE WHEN outbox.state = 'pending' AND circuits.open_until > now() THEN circuits.open_until END AS held_until
FROM outbox LEFT JOIN circuits ON circuits.circuit = outbox.circuit
WHERE outbox.tenant_id = $1
  AND ($2::bigint IS NULL OR outbox.number < $2)
  AND ($3::text[] IS NULL OR outbox.state = ANY ($3))
  AND ($4::text[] IS NULL OR outbox.kind = ANY ($4))
  AND ($5::uuid[] IS NULL OR outbox.job_id = ANY ($5))
  AND ($6::uuid[] IS NULL OR outbox.endpoint_id = ANY ($6))
ORDER BY outbox.number DESC LIMIT $7
"""


async def list_notices(
    connection: Executor, tenant_id: int, *, before: int | None, limit: int, **wanted: list[Any] | None
) -> list[asyncpg.Record]:
    """A page of notices, newest first; `wanted` are any of `state`, `kind`, `job`, `endpoint`."""
    filters = [wanted.get(name) for name in ("state", "kind", "job", "endpoint")]
    rows: list[asyncpg.Record] = await connection.fetch(LIST, tenant_id, before, *filters, limit)
    return rows


READ = """
SELECT outbox.id, outbox.number, (outbox.job ->> 'id')::uuid AS job_id, (outbox.job ->> 'number')::bigint AS job_number,
       (outbox.job ->> 'run')::int AS run, outbox.job ->> 'status' AS status, outbox.kind, outbox.target,
       outbox.endpoint_id, outbox.state, outbox.tries, outbox.last_error, outbox.created_at, outbox.ended_at,
       CASE WHEN outbox.state = 'pending' THEN outbox.next_at END AS next_at,
       CASE WHEN outbox.state = 'pending' AND circuits.open_until > now() THEN circuits.open_until END AS held_until,
       outbox.job ->> 'created_by' AS job_created_by, coalesce(definition.shared_with, '{}') AS job_shared_with
FROM outbox LEFT JOIN circuits ON circuits.circuit = outbox.circuit
LEFT JOIN job_definitions AS definition
       ON definition.tenant_id = outbox.tenant_id AND definition.code = outbox.job ->> 'definition'
WHERE outbox.tenant_id = $1 AND outbox.id = $2
"""


async def read_notice(connection: Executor, tenant_id: int, notice_id: UUID) -> asyncpg.Record | None:
    """One notice, with whose job it tells of (`job_created_by`, `job_shared_with`); None when there is none."""
    return await connection.fetchrow(READ, tenant_id, notice_id)


TRIES = """
SELECT number, at, milliseconds, outcome, status, error FROM notice_tries WHERE notice_id = $1
ORDER BY number DESC LIMIT 100
"""


async def tries_of(connection: Executor, notice_id: UUID) -> list[asyncpg.Record]:
    """The tries of a notice, newest first, a hundred at most."""
    rows: list[asyncpg.Record] = await connection.fetch(TRIES, notice_id)
    return rows


LOCK = """
SELECT state, endpoint_id IS NULL OR EXISTS (SELECT FROM webhook_endpoints AS endpoint
                                             WHERE endpoint.id = outbox.endpoint_id AND enabled) AS has_receiver
FROM outbox WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE
"""
REDELIVER = """
UPDATE outbox SET state = 'pending', next_at = now(), give_up_at = now() + interval '3 days', tries_before = tries,
                  ended_at = NULL
WHERE tenant_id = $1 AND id = $2 AND lease_id IS NULL
"""


async def redeliver_unless_under_way(connection: Connection, tenant_id: int, notice_id: UUID) -> str:
    """Make a notice due at once, with a fresh round of tries and the same id; answers the state that it was in.

    One that a worker is delivering at this moment stays as it is. Raises NotFound, Conflict.
    """
    former = await connection.fetchrow(LOCK, tenant_id, notice_id)
    if former is None:
        raise NotFound("no such notice")
    if not former["has_receiver"]:
        raise Conflict("the endpoint of this notice was removed or is disabled")
    await connection.execute(REDELIVER, tenant_id, notice_id)
    state: str = former["state"]
    return state
