"""Notices on their way: taken by one worker at a time, and what became of each try.

Notices that would fail together share a circuit: those to one endpoint of a tenant, those to one origin that jobs of
a tenant name, all mails. At most a few of one circuit are under way at once, so nobody who hangs holds up the others.
After some failures in a row the circuit opens: nothing goes there for a while, and no try is spent; then a single
notice goes ahead, and only when it arrives the others follow. All of it stands in the database, for all workers.

A notice is taken under a fresh lease id, and taken anew once its worker beats no more: who was killed in the middle
may have delivered it, so a receiver may see it twice, under the same id.
"""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from service.db.connection import Connection, Executor
from service.notifications.verdict import Outcome, Verdict

AT_ONCE_IN_A_CIRCUIT = 10
FAILURES_THAT_OPEN = 5
OPEN_SECONDS = 30.0
OPEN_SECONDS_AT_MOST = 3600.0
KEPT_DAYS = 30
"""How long an ended notice can be read, when its job has not gone before."""

# The circuits are found by leaps through the index: what they hold back costs nothing, however much it is. A notice
# under way keeps its place among the first of its circuit, and so keeps a later one from going.
CLAIM = """
WITH RECURSIVE circuit_names AS (
    (SELECT circuit FROM outbox WHERE state = 'pending' ORDER BY circuit LIMIT 1)
    UNION ALL
    SELECT (SELECT following.circuit FROM outbox AS following
            WHERE following.state = 'pending' AND following.circuit > circuit_names.circuit
            ORDER BY following.circuit LIMIT 1)
    FROM circuit_names WHERE circuit_names.circuit IS NOT NULL
), due AS (
    SELECT first.id, first.next_at
    FROM circuit_names LEFT JOIN circuits USING (circuit)
    CROSS JOIN LATERAL (
        SELECT id, next_at FROM outbox
        WHERE outbox.circuit = circuit_names.circuit AND state = 'pending' AND next_at <= now()
        ORDER BY next_at, id
        LIMIT CASE WHEN circuits.open_until IS NULL THEN $4::int WHEN circuits.open_until <= now() THEN 1 ELSE 0 END
    ) AS first
    WHERE circuit_names.circuit IS NOT NULL AND ($5::bool OR circuit_names.circuit <> 'smtp')
), free AS (
    SELECT outbox.id FROM due JOIN outbox ON outbox.id = due.id
    WHERE outbox.state = 'pending' AND outbox.next_at <= now()
      AND (outbox.lease_id IS NULL OR (outbox.worker_id = $2 AND outbox.lease_id <> ALL ($6::uuid[])) OR NOT EXISTS (
            SELECT FROM workers WHERE workers.id = outbox.worker_id AND beat_at > now() - make_interval(secs => $3)))
    ORDER BY due.next_at LIMIT $1
    FOR NO KEY UPDATE OF outbox SKIP LOCKED
), taken AS (
    UPDATE outbox SET lease_id = gen_random_uuid(), worker_id = $2 FROM free WHERE outbox.id = free.id
    RETURNING outbox.*
)
SELECT taken.id, taken.lease_id, taken.tenant_id, taken.job_id, taken.job, taken.shown, taken.language, taken.kind,
       coalesce(endpoint.url, taken.target) AS target, taken.endpoint_id, taken.circuit, taken.created_at,
       taken.tries - taken.tries_before + 1 AS try, floor(extract(epoch FROM now()))::bigint AS now, asked.traceparent
FROM taken LEFT JOIN webhook_endpoints AS endpoint ON endpoint.id = taken.endpoint_id
LEFT JOIN job_requests AS asked ON asked.job_id = taken.job_id
"""


async def claim_due(
    connection: Executor,
    limit: int,
    worker_id: str,
    lease_seconds: float,
    held: Sequence[UUID],
    *,
    mails: bool,
) -> list[asyncpg.Record]:
    """Take notices that are due, mails too if `mails`; they are this worker's until it ends its try, or dies.

    `held` are the leases that it knows of: others of its own come from an answer that was lost, and are taken anew.
    """
    rows: list[asyncpg.Record] = await connection.fetch(
        CLAIM, limit, worker_id, lease_seconds, AT_ONCE_IN_A_CIRCUIT, mails, held
    )
    return rows


END_TRY = """
WITH tried AS (
    UPDATE outbox SET
        state = CASE WHEN $4 THEN 'delivered'
                     WHEN now() + make_interval(secs => $5) <= give_up_at THEN 'pending' ELSE 'dead' END,
        tries = tries + 1, lease_id = NULL, worker_id = NULL, last_error = $8,
        next_at = coalesce(now() + make_interval(secs => $5), next_at),
        ended_at = CASE WHEN NOT $4 AND now() + make_interval(secs => $5) <= give_up_at THEN NULL ELSE now() END
    WHERE id = $1 AND lease_id = $2
    RETURNING id, tries, state, circuit
), told AS (
    INSERT INTO notice_tries (notice_id, number, at, milliseconds, outcome, status, error)
    SELECT id, tries, now() - make_interval(secs => $9::float8 / 1000), $9, $3, $7, $8 FROM tried
), closed AS (
    DELETE FROM circuits USING tried WHERE circuits.circuit = tried.circuit AND $4
), opened AS (
    INSERT INTO circuits (circuit, failures, failed_at) SELECT circuit, 1, now() FROM tried WHERE $6
    ON CONFLICT (circuit) DO UPDATE SET
        failed_at = now(),
        failures = circuits.failures + 1,
        open_until = CASE WHEN circuits.failures + 1 >= $10::int THEN
            now() + make_interval(secs => least($11::float8 * 2 ^ (circuits.failures + 1 - $10), $12)) END
    WHERE circuits.open_until IS NULL OR circuits.open_until <= now()   -- those already under way add nothing
)
SELECT state FROM tried
"""


async def end_try(
    connection: Executor, notice: asyncpg.Record, verdict: Verdict, pause: float | None, milliseconds: int
) -> str | None:
    """Write what became of a try; answers the notice's state, None when it was no longer this worker's to tell.

    After `pause` seconds it is due again; None ends it.
    """
    state: str | None = await connection.fetchval(
        END_TRY,
        notice["id"],
        notice["lease_id"],
        verdict.outcome,
        verdict.outcome is Outcome.DELIVERED,
        pause,
        verdict.outcome is Outcome.FAILED and verdict.counts,
        verdict.status,
        verdict.error,
        milliseconds,
        FAILURES_THAT_OPEN,
        OPEN_SECONDS,
        OPEN_SECONDS_AT_MOST,
    )
    return state


DROP_THOSE_OF_ENDPOINT = """
UPDATE outbox SET state = 'dead', ended_at = now(), last_error = $2, lease_id = NULL, worker_id = NULL
WHERE endpoint_id = $1 AND state = 'pending'
"""


async def drop_those_of(connection: Connection, endpoint_id: UUID, why: str) -> None:
    """End what an endpoint would still be sent."""
    await connection.execute(DROP_THOSE_OF_ENDPOINT, endpoint_id, why)


HOLD_MAILS = """
UPDATE outbox SET state = 'undeliverable', last_error = $1, lease_id = NULL, worker_id = NULL
WHERE id IN (SELECT id FROM outbox
             WHERE circuit = 'smtp' AND state = 'pending' AND next_at <= now()
               AND (lease_id IS NULL OR next_at < now() - interval '1 minute')
             LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED)
"""
FREE_MAILS = """
UPDATE outbox SET state = 'pending', next_at = now(), last_error = NULL
WHERE id IN (SELECT id FROM outbox WHERE state = 'undeliverable' AND give_up_at > now()
             LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED)
"""


async def hold_mails(connection: Executor, why: str) -> None:
    """Say of mails that they cannot be delivered, while there is no mail server."""
    await connection.execute(HOLD_MAILS, why)


async def free_mails(connection: Executor) -> None:
    """Let mails go that waited for a mail server to be set."""
    await connection.execute(FREE_MAILS)


GIVE_UP = """
UPDATE outbox SET state = 'dead', ended_at = now(), lease_id = NULL, worker_id = NULL,
                  last_error = coalesce(last_error, 'it was held back until it was too old')
WHERE id IN (SELECT id FROM outbox WHERE state IN ('pending', 'undeliverable') AND give_up_at <= now()
               AND (lease_id IS NULL OR give_up_at <= now() - interval '1 hour')
             LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id
"""


async def give_up_old(connection: Executor) -> int:
    """End what could not be delivered in three days, a thousand at a time; answers how many."""
    return len(await connection.fetch(GIVE_UP))


FORGET_ENDED = """
DELETE FROM outbox WHERE id IN (
    SELECT id FROM outbox
    WHERE ended_at < now() - make_interval(days => $1) OR (shown IS NOT NULL AND ended_at < now() - interval '1 day')
    LIMIT 1000 FOR UPDATE SKIP LOCKED)
RETURNING id
"""
FORGET_CIRCUITS = "DELETE FROM circuits WHERE failed_at < now() - interval '7 days'"


async def forget_ended(connection: Executor) -> int:
    """Delete notices that ended long ago, or a day ago and of a job that is gone; answers how many, 1,000 at most."""
    await connection.execute(FORGET_CIRCUITS)
    return len(await connection.fetch(FORGET_ENDED, KEPT_DAYS))
