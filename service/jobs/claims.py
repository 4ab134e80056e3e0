"""What a worker does to a job: claim, report, settle; and what is done when it died.

Each claim writes a fresh `lease_id`. Every later write of that worker names it, so a worker that lost its
lease (stopped for too long, cut off, declared dead) changes nothing, however late it wakes. Death is a lease
that ran out by the database's clock, never elapsed time.

Statements over several jobs lock them in the order of their ids first: reports, settles and heartbeats of one
process travel on different connections and would else deadlock. The locks are FOR NO KEY UPDATE, never FOR UPDATE:
a fenced block of an attempt that froze holds its job's key (job_checkpoints refers to it), and must not keep anybody
from rescuing and claiming that job.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from service.db.connection import Connection

CRASHES_ALLOWED = 3
"""A job that takes its worker down this often fails with `worker_lost`."""

PROBATION_SECONDS = 0.25
"""How long a job on its last chance runs before the next such job starts on the same worker."""

# Suspended, cancelled, taken, not yet due, of a type or tag for other workers: no row; the message was stale.
# Nobody can tell which of the jobs of a lost worker took it down, so all are charged, until the next charge is a
# job's last: such jobs start one after the other (PROBATION_SECONDS apart on a worker), and RESCUE charges the
# youngest of them alone.
CLAIM = """
WITH wanted AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[]) AS wanted(id, lease_id)
), free AS (
    SELECT jobs.id, wanted.lease_id
    FROM wanted JOIN jobs ON jobs.id = wanted.id
    WHERE jobs.status = 'pending' AND jobs.due_at <= now()
      AND (jobs.start_by IS NULL OR jobs.start_by > now() OR jobs.started_at IS NOT NULL)
      AND CASE WHEN jobs.worker_tag IS NULL THEN NOT $5::bool ELSE $6::bool OR jobs.worker_tag = ANY ($7::text[]) END
      AND jobs.type = ANY ($8::text[])
      AND (jobs.crashes + 1 < $9 OR (
            NOT EXISTS (SELECT FROM jobs AS other
                        WHERE other.worker_id = $4 AND other.status = 'running' AND other.crashes + 1 >= $9
                          AND other.claimed_at > now() - make_interval(secs => $10))
            AND jobs.id = (SELECT one.id FROM wanted JOIN jobs AS one ON one.id = wanted.id
                           WHERE one.status = 'pending' AND one.crashes + 1 >= $9 ORDER BY one.due_at, one.id LIMIT 1)))
    FOR NO KEY UPDATE OF jobs SKIP LOCKED
), claimed AS (
    UPDATE jobs SET status = 'running', lease_id = free.lease_id, lease_until = now() + make_interval(secs => $3),
                    worker_id = $4, claimed_at = now(), started_at = coalesce(jobs.started_at, now()),
                    claim = jobs.claim + 1,
                    percent_completed = 0, running_output = NULL, status_text = NULL,
                    version = jobs.version + 1, updated_at = now()
    FROM free WHERE jobs.id = free.id
    RETURNING jobs.id, jobs.number, jobs.tenant_id, jobs.type, jobs.run, jobs.attempt, jobs.claim, jobs.max_attempts,
              jobs.timeout_seconds, jobs.priority, jobs.worker_tag, jobs.lease_id, jobs.created_by,
              jobs.created_at, jobs.started_at, jobs.crashes, jobs.due_at, jobs.claimed_at
)
SELECT claimed.*, asked.args, asked.attachment_url, asked.attachment_name, asked.attachment_mime_type,
       files.size AS attachment_size, files.storage_key AS attachment_key
FROM claimed
JOIN job_requests AS asked ON asked.job_id = claimed.id
LEFT JOIN files ON files.id = asked.attachment_file_id
"""


class Tags(NamedTuple):
    """Which worker tags a worker takes: all (`any_tag`) or those in `named`; `only_tagged`: no untagged jobs."""

    only_tagged: bool
    any_tag: bool
    named: tuple[str, ...]


def worker_tags(words: tuple[str, ...]) -> Tags:
    """LAVORI_WORKER_TAGS: `*` takes any or none, `a` jobs tagged a and untagged ones, `!a` only jobs tagged a."""
    named = tuple(word.removeprefix("!") for word in words if word not in ("*", ""))
    return Tags(
        only_tagged=bool(named) and all(word.startswith("!") for word in words),
        any_tag="*" in words or not words,
        named=named,
    )


async def claim_pending(
    connection: asyncpg.Pool,
    wanted: Sequence[tuple[UUID, UUID]],
    worker_id: str,
    lease_seconds: float,
    tags: Tags,
    types: Sequence[str],
) -> list[asyncpg.Record | None]:
    """Take due pending jobs by (id, fresh lease id), in order; None where there was nothing to take."""
    ids, leases = zip(*wanted, strict=True)
    rows = await connection.fetch(
        CLAIM, ids, leases, lease_seconds, worker_id, *tags, types, CRASHES_ALLOWED, PROBATION_SECONDS
    )
    found = {row["lease_id"]: row for row in rows}
    return [found.get(lease_id) for lease_id in leases]


DUE = """
SELECT id, tenant_id, run, claim, priority, worker_tag, due_at FROM jobs
WHERE status = 'pending' AND due_at <= now() + make_interval(secs => $2)
  AND CASE WHEN worker_tag IS NULL THEN NOT $3::bool ELSE $4::bool OR worker_tag = ANY ($5::text[]) END
  AND type = ANY ($6::text[])
  AND ($7::smallint IS NULL OR (-priority, due_at, id) > (-$7, $8::timestamptz, $9::uuid))
ORDER BY priority DESC, due_at, id
LIMIT $1
"""


async def due_jobs(
    connection: asyncpg.Pool,
    limit: int,
    tags: Tags,
    types: Sequence[str],
    *,
    within_seconds: float = 0,
    after: asyncpg.Record | None = None,
) -> list[asyncpg.Record]:
    """A page of pending jobs that are due (or will be soon) and that this worker may take, most urgent first."""
    start = (after["priority"], after["due_at"], after["id"]) if after else (None, None, None)
    rows: list[asyncpg.Record] = await connection.fetch(DUE, limit, within_seconds, *tags, types, *start)
    return rows


NEXT = """
SELECT id FROM (
    SELECT id, priority, due_at, row_number() OVER (PARTITION BY tenant_id, priority ORDER BY due_at, id) AS turn
    FROM jobs WHERE status = 'pending' AND due_at <= now()
      AND CASE WHEN worker_tag IS NULL THEN NOT $2::bool ELSE $3::bool OR worker_tag = ANY ($4::text[]) END
      AND type = ANY ($5::text[])
) AS waiting
ORDER BY priority DESC, turn, due_at
LIMIT $1
"""


async def next_jobs(
    connection: asyncpg.Pool, limit: int, tags: Tags, types: Sequence[str]
) -> list[asyncpg.Record]:
    """The jobs to be claimed next while Redis is away: most urgent first, tenants in turns."""
    rows: list[asyncpg.Record] = await connection.fetch(NEXT, limit, *tags, types)
    return rows


RENEW = """
WITH held AS (
    SELECT jobs.id FROM unnest($1::uuid[], $2::uuid[]) AS held(id, lease_id)
    JOIN jobs ON jobs.id = held.id AND jobs.lease_id = held.lease_id
    ORDER BY jobs.id FOR NO KEY UPDATE OF jobs
)
UPDATE jobs SET lease_until = now() + make_interval(secs => $3)
FROM held WHERE jobs.id = held.id
RETURNING jobs.lease_id
"""


async def renew_leases(
    connection: Connection, held: Sequence[tuple[UUID, UUID]], lease_seconds: float
) -> set[UUID]:
    """Push the leases (job id, lease id) on; answers those that are still held."""
    ids, leases = zip(*held, strict=True)
    return {row["lease_id"] for row in await connection.fetch(RENEW, ids, leases, lease_seconds)}


FLAGS = """
SELECT jobs.lease_id FROM unnest($1::uuid[]) AS held(id) JOIN jobs ON jobs.id = held.id
WHERE jobs.cancel_requested_at IS NOT NULL AND jobs.lease_id IS NOT NULL
"""


async def cancel_requests(connection: Connection, job_ids: Sequence[UUID]) -> set[UUID]:
    """The leases of those jobs that somebody wants cancelled: how cancellation arrives when Redis is away."""
    return {row["lease_id"] for row in await connection.fetch(FLAGS, job_ids)}


class Report(NamedTuple):
    """Progress of one job since the last report; None leaves a column as it is."""

    job_id: UUID
    lease_id: UUID
    percent: int | None
    running_output: str | None
    status_text: str | None
    messages: int


class Message(NamedTuple):
    """One line of a job's log; `ordinal` counts from 1 within its report."""

    lease_id: UUID
    ordinal: int
    time: datetime
    level: str
    text: str
    tool_id: str | None


# Messages draw their numbers from the job's version under its lock, so a reader who saw n never misses one below n.
REPORT = """
WITH report AS (
    SELECT report.* FROM unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::text[], $5::text[], $6::int[])
      AS report(id, lease_id, percent, running_output, status_text, messages)
    JOIN jobs ON jobs.id = report.id AND jobs.lease_id = report.lease_id
    ORDER BY jobs.id FOR NO KEY UPDATE OF jobs
), touched AS (
    UPDATE jobs SET percent_completed = greatest(jobs.percent_completed, report.percent),
                    running_output = coalesce(report.running_output, jobs.running_output),
                    status_text = coalesce(report.status_text, jobs.status_text),
                    version = jobs.version + report.messages + 1, updated_at = now()
    FROM report WHERE jobs.id = report.id
    RETURNING jobs.id, jobs.lease_id, jobs.version - report.messages - 1 AS before
), told AS (
    INSERT INTO job_messages (job_id, seq, time, level, text, tool_id)
    SELECT touched.id, touched.before + said.ordinal, said.time, said.level, said.text, said.tool_id
    FROM unnest($7::uuid[], $8::int[], $9::timestamptz[], $10::text[], $11::text[], $12::text[])
      AS said(lease_id, ordinal, time, level, text, tool_id)
    JOIN touched ON touched.lease_id = said.lease_id
)
SELECT lease_id FROM touched
"""


async def report_if_held(
    connection: asyncpg.Pool, reports: Sequence[Report], messages: Sequence[Message]
) -> set[UUID]:
    """Write progress and messages of many jobs in one statement; answers the leases that are still held."""
    columns = zip(*messages, strict=True) if messages else [[]] * len(Message._fields)
    rows = await connection.fetch(REPORT, *zip(*reports, strict=True), *columns)
    return {row["lease_id"] for row in rows}


class Settlement(NamedTuple):
    """How a claim ends. `status` is terminal, or pending with `retry_seconds` for another try.

    `outcome` is the attempt's; `next_attempt` counts this one as a try; `outputs` is a JSON list of
    `{id, file_id, position, available_formats}` whose bytes are stored already.
    """

    job_id: UUID
    lease_id: UUID
    status: str
    outcome: str
    next_attempt: bool
    retry_seconds: float
    percent: int | None
    running_output: str | None
    output: str | None
    response_type: str | None
    error: str | None
    outputs: str
    link_id: UUID | None
    messages: int


# Who was told that a job would be cancelled was told the truth: it is not tried again.
SETTLE = """
WITH input AS (
    SELECT input.id, input.lease_id, input.outcome, input.next_attempt, input.retry_seconds, input.percent,
           input.running_output, input.output, input.response_type, input.error, input.outputs, input.link_id,
           input.messages,
           CASE WHEN input.status = 'pending' AND jobs.cancel_requested_at IS NOT NULL THEN 'cancelled'
                ELSE input.status END AS status
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bool[], $6::float8[],
    $7::smallint[], $8::text[],
                               $9::text[], $10::text[], $11::json[], $12::json[], $13::uuid[], $14::int[])
      AS input(id, lease_id, status, outcome, next_attempt, retry_seconds, percent, running_output,
               output, response_type, error, outputs, link_id, messages)
    JOIN jobs ON jobs.id = input.id AND jobs.lease_id = input.lease_id
    ORDER BY jobs.id FOR NO KEY UPDATE OF jobs
), settled AS (
    UPDATE jobs SET
        status = input.status,
        lease_id = NULL, lease_until = NULL,
        attempt = jobs.attempt + (input.status = 'pending' AND input.next_attempt)::int,
        due_at = CASE WHEN input.status = 'pending' THEN date_trunc('milliseconds', now()) + make_interval(secs
        => input.retry_seconds) ELSE jobs.due_at END,
        percent_completed = CASE WHEN input.status = 'finished' THEN 100
                                 ELSE least(99, greatest(jobs.percent_completed, input.percent)) END,
        running_output = coalesce(input.running_output, jobs.running_output),
        output = input.output, response_type = input.response_type,
        error = CASE WHEN input.status = 'failed' THEN input.error END,
        terminated_at = CASE WHEN input.status = 'pending' THEN NULL ELSE now() END,
        purge_at = CASE WHEN input.status = 'pending' THEN jobs.purge_at
                        ELSE coalesce(jobs.purge_at, now() + make_interval(days => (tenants.retention ->>
                        'jobs')::int)) END,
        version = jobs.version + input.messages + 1, updated_at = now()
    FROM input, tenants
    WHERE jobs.id = input.id AND tenants.id = jobs.tenant_id
    RETURNING jobs.id, jobs.tenant_id, jobs.type, jobs.status, jobs.run, jobs.attempt, jobs.claim,
    jobs.priority, jobs.worker_tag,
              jobs.due_at, jobs.worker_id, jobs.claimed_at, jobs.created_by, jobs.version - input.messages - 1 AS before
), history AS (
    INSERT INTO attempts (job_id, claim, run, attempt, worker, started_at, ended_at, outcome, error)
    SELECT id, claim, run, attempt - (input.status = 'pending' AND input.next_attempt)::int, worker_id,
    claimed_at, now(),
           input.outcome, input.error
    FROM settled JOIN input USING (id)
), told AS (
    INSERT INTO job_messages (job_id, seq, time, level, text, tool_id)
    SELECT settled.id, settled.before + said.ordinal, said.time, said.level, said.text, said.tool_id
    FROM unnest($15::uuid[], $16::int[], $17::timestamptz[], $18::text[], $19::text[], $20::text[])
      AS said(lease_id, ordinal, time, level, text, tool_id)
    JOIN input ON input.lease_id = said.lease_id JOIN settled ON settled.id = input.id
), published AS (
    INSERT INTO outputs (id, job_id, tenant_id, run, position, file_id, available_formats)
    SELECT made.id, settled.id, settled.tenant_id, settled.run, made.position, made.file_id, made.available_formats
    FROM input JOIN settled USING (id),
         json_to_recordset(input.outputs) AS made(id uuid, file_id uuid, position int, available_formats text[])
), kept AS (
    UPDATE files SET expires_at = NULL FROM input, json_to_recordset(input.outputs) AS made(file_id uuid)
    WHERE files.id = made.file_id
), linked AS (
    -- the job's own link outlives reruns, so it is made once
    INSERT INTO links (id, tenant_id, job_id, scope, expires_at, created_by)
    SELECT input.link_id, settled.tenant_id, settled.id, asked.publish_link_access_scope,
           now() + make_interval(secs => tenants.link_seconds), settled.created_by
    FROM input JOIN settled USING (id)
    JOIN job_requests AS asked ON asked.job_id = settled.id JOIN tenants ON tenants.id = settled.tenant_id
    WHERE input.link_id IS NOT NULL
    ON CONFLICT (job_id) WHERE output_id IS NULL DO UPDATE SET expires_at = excluded.expires_at
)
SELECT id, tenant_id, type, status, run, attempt, claim, priority, worker_tag, due_at, claimed_at FROM settled
"""


async def settle_if_held(
    connection: asyncpg.Pool, settlements: Sequence[Settlement], messages: Sequence[Message]
) -> dict[UUID, asyncpg.Record]:
    """End claims: state, history, last messages, outputs and links in one statement.

    Answers the jobs that were still held, by id, with what a queue.Message needs; the rest had lost their lease.
    """
    columns = zip(*messages, strict=True) if messages else [[]] * len(Message._fields)
    rows: list[Any] = await connection.fetch(SETTLE, *zip(*settlements, strict=True), *columns)
    return {row["id"]: row for row in rows}


RESCUE = """
WITH dead AS (
    SELECT id,
           (cancel_requested_at IS NULL AND (crashes + 1 < $2 OR NOT EXISTS (
               SELECT FROM jobs AS younger
               WHERE younger.worker_id = jobs.worker_id AND younger.status = 'running' AND younger.crashes + 1 >= $2
                 AND (younger.claimed_at, younger.id) > (jobs.claimed_at, jobs.id))))::int AS charge
    FROM jobs
    WHERE status = 'running'
      AND (lease_until < now() OR cancel_requested_at < now() - make_interval(secs => $1) - interval '2 seconds')
    ORDER BY id LIMIT 500
    FOR NO KEY UPDATE SKIP LOCKED
), rescued AS (
    UPDATE jobs SET
        status = CASE WHEN jobs.cancel_requested_at IS NOT NULL THEN 'cancelled'
                      WHEN jobs.crashes + dead.charge >= $2 THEN 'failed' ELSE 'pending' END,
        crashes = jobs.crashes + dead.charge,
        lease_id = NULL, lease_until = NULL,
        due_at = date_trunc('milliseconds', now()),
        error = CASE WHEN jobs.cancel_requested_at IS NULL AND jobs.crashes + dead.charge >= $2
                     THEN json_build_object('code', 'worker_lost', 'message', 'the worker was lost ' ||
                     (jobs.crashes + dead.charge) || ' times while it ran this job',
                                            'retryable', false) END,
        output = CASE WHEN jobs.cancel_requested_at IS NULL AND jobs.crashes + dead.charge >= $2
                      THEN 'the worker was lost ' || (jobs.crashes + dead.charge) || ' times while it ran this job' END,
        terminated_at = CASE WHEN jobs.cancel_requested_at IS NOT NULL OR jobs.crashes + dead.charge >= $2
                             THEN now() END,
        purge_at = CASE WHEN jobs.cancel_requested_at IS NOT NULL OR jobs.crashes + dead.charge >= $2
                        THEN coalesce(jobs.purge_at, now() + make_interval(days => (tenants.retention ->>
                        'jobs')::int)) ELSE jobs.purge_at END,
        version = jobs.version + 1, updated_at = now()
    FROM dead, tenants
    WHERE jobs.id = dead.id AND tenants.id = jobs.tenant_id
    RETURNING jobs.id, jobs.tenant_id, jobs.status, jobs.run, jobs.attempt, jobs.claim, jobs.worker_id,
              jobs.claimed_at, jobs.priority,
              jobs.worker_tag, jobs.due_at, jobs.error, jobs.type
), history AS (
    INSERT INTO attempts (job_id, claim, run, attempt, worker, started_at, ended_at, outcome, error)
    SELECT id, claim, run, attempt, worker_id, claimed_at, now(),
           CASE WHEN status = 'cancelled' THEN 'cancelled' ELSE 'lost' END, error
    FROM rescued
)
SELECT id, tenant_id, status, run, attempt, claim, priority, worker_tag, due_at, type, worker_id FROM rescued
"""


async def rescue_dead(connection: asyncpg.Pool, cancel_grace_seconds: float) -> list[asyncpg.Record]:
    """Take back the jobs whose lease ran out, and end those that did not heed their cancellation."""
    rows: list[asyncpg.Record] = await connection.fetch(RESCUE, cancel_grace_seconds, CRASHES_ALLOWED)
    return rows


EXPIRE = """
WITH late AS (
    SELECT id FROM jobs WHERE status IN ('pending', 'suspended') AND start_by <= now() AND started_at IS NULL
    ORDER BY id LIMIT 500
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE jobs SET status = 'cancelled', terminated_at = now(), version = jobs.version + 1, updated_at = now(),
    purge_at = coalesce(jobs.purge_at, now() + make_interval(days => (tenants.retention ->> 'jobs')::int)),
    error = json_build_object('code', 'expired', 'message', 'the job had not started when its time was over',
    'retryable', false),
    output = 'the job had not started when its time was over'
FROM late, tenants WHERE jobs.id = late.id AND tenants.id = jobs.tenant_id
RETURNING jobs.id, jobs.tenant_id, jobs.type
"""


async def expire_unstarted(connection: asyncpg.Pool) -> list[asyncpg.Record]:
    """Cancel the jobs that did not start within `expires_in`."""
    rows: list[asyncpg.Record] = await connection.fetch(EXPIRE)
    return rows


# The fence is the checkpoint's row, not the job's: holding the job's would stop its own heartbeat. Whoever has
# it locked and
# then sees its lease alone may commit effects; the next attempt waits for the lock, and so reads what was committed.
LOCK_CHECKPOINT = """
INSERT INTO job_checkpoints (job_id, run, state) VALUES ($1, $2, 'null')
ON CONFLICT (job_id) DO UPDATE SET state = CASE WHEN job_checkpoints.run = excluded.run THEN
job_checkpoints.state ELSE 'null' END,
                                   run = excluded.run
RETURNING state
"""
# A worker that freezes in the transaction holds the next attempt up no longer than this.
STILL_HELD = """
SELECT EXISTS (SELECT FROM jobs WHERE id = $1 AND lease_id = $2)
FROM set_config('idle_in_transaction_session_timeout', $3, true)
"""


async def lock_checkpoint_if_held(
    connection: Connection, job_id: UUID, run: int, lease_id: UUID, lease_seconds: float
) -> str | None:
    """In a transaction: lock the run's checkpoint and answer its JSON; None when the lease is lost.

    From then on the transaction is ended by the database when its client is silent for `lease_seconds`.
    """
    state: str = await connection.fetchval(LOCK_CHECKPOINT, job_id, run)
    silence = f"{int(lease_seconds * 1000)}ms"
    return state if await connection.fetchval(STILL_HELD, job_id, lease_id, silence) else None


SAVE_CHECKPOINT = "UPDATE job_checkpoints SET state = $2 WHERE job_id = $1"


async def save_checkpoint(connection: Connection, job_id: UUID, state: str) -> None:
    """Write the JSON that the next attempt of this run reads; commits with the caller's transaction."""
    await connection.execute(SAVE_CHECKPOINT, job_id, state)


BEAT = """
INSERT INTO workers (id, tags, types, concurrency, version) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE SET beat_at = now(), draining = $6
RETURNING extract(epoch FROM clock_timestamp())::float8
"""


async def beat(
    connection: Connection,
    worker_id: str,
    tags: Sequence[str],
    types: Sequence[str],
    concurrency: int,
    version: str,
    draining: bool,  # noqa: FBT001
) -> float:
    """Say that this worker lives; answers the time by the database's clock, in seconds since 1970."""
    now: float = await connection.fetchval(BEAT, worker_id, tags, types, concurrency, version, draining)
    return now
