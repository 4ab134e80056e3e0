"""How a claim ends: settled by its worker, taken back when that died, or never begun in time."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from service.jobs.claims import CRASHES_ALLOWED
from service.jobs.reports import Message


class Settlement(NamedTuple):
    """How a claim ends; the type settlement in schema.sql.

    `status` is terminal, or pending with `retry_seconds` for another try.
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
    SELECT input.job_id AS id, input.lease_id, input.outcome, input.next_attempt, input.retry_seconds, input.percent,
           input.running_output, input.output, input.response_type, input.error, input.outputs, input.link_id,
           input.messages,
           CASE WHEN input.status = 'pending' AND jobs.cancel_requested_at IS NOT NULL THEN 'cancelled'
                ELSE input.status END AS status
    FROM unnest($1::settlement[]) AS input
    JOIN jobs ON jobs.id = input.job_id AND jobs.lease_id = input.lease_id
    ORDER BY jobs.id FOR NO KEY UPDATE OF jobs
), settled AS (
    UPDATE jobs SET
        status = input.status,
        lease_id = NULL, lease_until = NULL,
        attempt = jobs.attempt + (input.status = 'pending' AND input.next_attempt)::int,
        due_at = CASE WHEN input.status = 'pending'
                      THEN date_trunc('milliseconds', now()) + make_interval(secs => input.retry_seconds)
                      ELSE jobs.due_at END,
        percent_completed = CASE WHEN input.status = 'finished' THEN 100
                                 ELSE least(99, greatest(jobs.percent_completed, input.percent)) END,
        running_output = coalesce(input.running_output, jobs.running_output),
        output = input.output, response_type = input.response_type,
        error = CASE WHEN input.status = 'failed' THEN input.error END,
        terminated_at = CASE WHEN input.status = 'pending' THEN NULL ELSE now() END,
        purge_at = CASE WHEN input.status = 'pending' THEN jobs.purge_at
                        ELSE coalesce(jobs.purge_at,
                                      now() + make_interval(days => (tenants.retention ->> 'jobs')::int)) END,
        version = jobs.version + input.messages + 1, updated_at = now()
    FROM input, tenants
    WHERE jobs.id = input.id AND tenants.id = jobs.tenant_id
    RETURNING jobs.id, jobs.tenant_id, jobs.type, jobs.status, jobs.run, jobs.attempt, jobs.claim, jobs.priority,
              jobs.worker_tag, jobs.due_at, jobs.updated_at, jobs.worker_id, jobs.claimed_at, jobs.created_by,
              jobs.version - input.messages - 1 AS before
), history AS (
    INSERT INTO attempts (job_id, claim, run, attempt, worker, started_at, ended_at, outcome, error)
    SELECT id, claim, run, attempt - (input.status = 'pending' AND input.next_attempt)::int, worker_id,
           claimed_at, now(), input.outcome, input.error
    FROM settled JOIN input USING (id)
), told AS (
    INSERT INTO job_messages (job_id, seq, time, level, text, tool_id)
    SELECT settled.id, settled.before + said.ordinal, said.time, said.level, said.text, said.tool_id
    FROM unnest($2::said[]) AS said
    JOIN input ON input.lease_id = said.lease_id JOIN settled ON settled.id = input.id
), published AS (
    INSERT INTO outputs (id, job_id, tenant_id, run, position, file_id, available_formats, expires_at)
    SELECT made.id, settled.id, settled.tenant_id, settled.run, made.position, made.file_id, made.available_formats,
           now() + make_interval(days => (tenants.retention ->> 'outputs')::int)
    FROM input JOIN settled USING (id) JOIN tenants ON tenants.id = settled.tenant_id,
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
SELECT id, tenant_id, type, status, run, attempt, claim, priority, worker_tag, due_at, updated_at, claimed_at
FROM settled
"""


async def settle_if_held(
    connection: asyncpg.Pool, settlements: Sequence[Settlement], messages: Sequence[Message]
) -> dict[UUID, asyncpg.Record]:
    """End claims: state, history, last messages, outputs and links in one statement.

    Answers the jobs that were still held, by id, with what a queue.Message needs; the rest had lost their lease.
    """
    rows: list[Any] = await connection.fetch(SETTLE, settlements, messages)
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
                     THEN json_build_object('code', 'worker_lost', 'retryable', false, 'message',
                                            'the worker was lost ' || (jobs.crashes + dead.charge) ||
                                            ' times while it ran this job') END,
        output = CASE WHEN jobs.cancel_requested_at IS NULL AND jobs.crashes + dead.charge >= $2
                      THEN 'the worker was lost ' || (jobs.crashes + dead.charge) || ' times while it ran this job' END,
        terminated_at = CASE WHEN jobs.cancel_requested_at IS NOT NULL OR jobs.crashes + dead.charge >= $2
                             THEN now() END,
        purge_at = CASE WHEN jobs.cancel_requested_at IS NOT NULL OR jobs.crashes + dead.charge >= $2
                        THEN coalesce(jobs.purge_at,
                                      now() + make_interval(days => (tenants.retention ->> 'jobs')::int))
                        ELSE jobs.purge_at END,
        version = jobs.version + 1, updated_at = now()
    FROM dead, tenants
    WHERE jobs.id = dead.id AND tenants.id = jobs.tenant_id
    RETURNING jobs.id, jobs.tenant_id, jobs.status, jobs.run, jobs.attempt, jobs.claim, jobs.worker_id,
              jobs.claimed_at, jobs.priority, jobs.worker_tag, jobs.due_at, jobs.updated_at, jobs.error, jobs.type
), history AS (
    INSERT INTO attempts (job_id, claim, run, attempt, worker, started_at, ended_at, outcome, error)
    SELECT id, claim, run, attempt, worker_id, claimed_at, now(),
           CASE WHEN status = 'cancelled' THEN 'cancelled' ELSE 'lost' END, error
    FROM rescued
)
SELECT id, tenant_id, status, run, attempt, claim, priority, worker_tag, due_at, updated_at, type, worker_id
FROM rescued
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
    error = json_build_object('code', 'expired', 'retryable', false,
                              'message', 'the job had not started when its time was over'),
    output = 'the job had not started when its time was over'
FROM late, tenants WHERE jobs.id = late.id AND tenants.id = jobs.tenant_id
RETURNING jobs.id, jobs.tenant_id, jobs.type
"""


async def expire_unstarted(connection: asyncpg.Pool) -> list[asyncpg.Record]:
    """Cancel the jobs that did not start within `expires_in`."""
    rows: list[asyncpg.Record] = await connection.fetch(EXPIRE)
    return rows
