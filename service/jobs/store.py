"""Jobs in PostgreSQL: create, read, list. People move them by control.py; workers by claims.py and endings.py."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

import asyncpg

from service.db.connection import Connection, Executor


class NewJob(NamedTuple):
    """A row to insert, of the type new_job in schema.sql, field by field. JSON fields are JSON text."""

    id: UUID
    tenant_id: int
    type: str
    definition: str | None
    queue: str
    priority: int
    worker_tag: str | None
    max_attempts: int
    timeout_seconds: int
    created_by: str
    args: str
    attachment_file_id: UUID | None
    attachment_url: str | None
    attachment_name: str | None
    attachment_mime_type: str | None
    description: str | None
    category: str | None
    sub_category: str | None
    labels: str
    client_request_id: str | None
    correlation_id: str | None
    idempotency_key: str | None
    can_rerun: bool
    run_at: datetime | None
    expires_in: int | None
    publish_link_access_scope: str
    notify: str | None
    root_id: UUID | None
    digest: bytes | None
    request_hash: bytes | None
    sealed_args: str | None
    options: str | None = None
    key_id: UUID | None = None
    address: str | None = None
    request_id: str | None = None
    traceparent: str | None = None
    action: str | None = None
    is_scheduled: bool = False


INSERT = """
WITH input AS (
    SELECT *, date_trunc('milliseconds', now()) AS at
    FROM unnest($1::new_job[])
), keyed AS (
    -- in the order of the digests, so that two batches never wait for each other's keys crosswise
    INSERT INTO idempotency_keys (digest, job_id, request_hash)
    SELECT digest, id, request_hash FROM input WHERE digest IS NOT NULL ORDER BY digest
    ON CONFLICT (digest) DO NOTHING
    RETURNING job_id
), fresh AS (
    SELECT * FROM input WHERE digest IS NULL OR id IN (SELECT job_id FROM keyed)
), inserted AS (
    INSERT INTO jobs (id, tenant_id, type, definition, queue, priority, worker_tag, max_attempts, timeout_seconds,
                      due_at, start_by, created_by, created_at, updated_at)
    SELECT id, tenant_id, type, definition, queue, priority, worker_tag, max_attempts, timeout_seconds,
           greatest(at, run_at), at + make_interval(secs => expires_in), created_by, at, at
    FROM fresh
    RETURNING id, number, created_at, updated_at, due_at, start_by
), requested AS (
    INSERT INTO job_requests (job_id, tenant_id, args, attachment_file_id, attachment_url, attachment_name,
                              attachment_mime_type, description, category, sub_category, labels, client_request_id,
                              correlation_id, idempotency_key, can_rerun, run_at, expires_in,
                              publish_link_access_scope, notify, root_id, modified_by, sealed_args, options,
                              traceparent, action, is_scheduled)
    SELECT id, tenant_id, args, attachment_file_id, attachment_url, attachment_name, attachment_mime_type,
           description, category, sub_category, labels, client_request_id, correlation_id, idempotency_key,
           can_rerun, run_at, expires_in, publish_link_access_scope, notify, root_id, created_by, sealed_args,
           options, traceparent, action, is_scheduled
    FROM fresh
), kept AS (
    UPDATE files SET expires_at = NULL
    WHERE id IN (SELECT attachment_file_id FROM fresh) AND expires_at IS NOT NULL
), audited AS (
    INSERT INTO audit (tenant_id, principal, key_id, action, object_type, object_id, address, request_id, changes)
    SELECT tenant_id, created_by, key_id, 'create', 'job', id::text, address, request_id,
           json_build_object('type', json_build_array(NULL, type))
    FROM fresh
)
SELECT id, number, created_at, updated_at, due_at, start_by FROM inserted
"""


async def insert_jobs(connection: Executor, jobs: Sequence[NewJob]) -> list[asyncpg.Record | None]:
    """Insert jobs with their requests, idempotency keys and audit rows in one statement.

    Answers a record a job, in order, with the columns that the database decided; None where the key was taken.
    """
    rows = {row["id"]: row for row in await connection.fetch(INSERT, jobs)}
    return [rows.get(job.id) for job in jobs]


SEALED = "SELECT sealed_args FROM job_requests WHERE job_id = $1 AND tenant_id = $2"


async def sealed_args(connection: Executor, tenant_id: int, job_id: UUID) -> str | None:
    """What hides behind the `***` in a job's args (secret_args.py); None when nothing does."""
    sealed: str | None = await connection.fetchval(SEALED, job_id, tenant_id)
    return sealed


class OverCap(NamedTuple):
    """Why a job was not inserted: its tenant's cap of queued jobs."""

    cap: int


Decided: TypeAlias = asyncpg.Record | OverCap | None
ROOM_TO_QUEUE = """
SELECT wanted.id, room_to_queue(wanted.id) AS room, (caps ->> 'queued')::int AS cap
FROM unnest($1::int[]) AS wanted(id) JOIN tenants ON tenants.id = wanted.id
"""


async def insert_jobs_within_caps(connection: Connection, jobs: Sequence[NewJob]) -> list[Decided]:
    """In a transaction: as `insert_jobs`, of tenants with a cap of queued jobs; OverCap for those that do not fit.

    The caps are held until the transaction ends, so however many insert at once, no cap is passed. A key that is
    taken needs no room: its answer is the job that it stands for.
    """
    tenants = sorted({job.tenant_id for job in jobs})
    caps = {row["id"]: (row["room"], row["cap"]) for row in await connection.fetch(ROOM_TO_QUEUE, tenants)}
    room = {tenant: left for tenant, (left, _) in caps.items()}
    known = await jobs_of_keys(connection, [job.digest for job in jobs if job.digest is not None])
    keyed = {row["digest"] for row in known if row is not None}
    fitting: list[NewJob] = []
    decided: list[Decided] = []
    for job in jobs:
        left = room.get(job.tenant_id)
        if job.digest is None or job.digest not in keyed:
            if left is not None and left < 1:
                decided.append(OverCap(caps[job.tenant_id][1]))
                continue
            if left is not None:
                room[job.tenant_id] = left - 1
            if job.digest is not None:
                keyed.add(job.digest)
        fitting.append(job)
        decided.append(None)
    inserted = {row["id"]: row for row in await insert_jobs(connection, fitting) if row} if fitting else {}
    return [inserted.get(job.id, one) for job, one in zip(jobs, decided, strict=True)]


KEYED = "SELECT digest, job_id, request_hash FROM idempotency_keys WHERE digest = ANY ($1::bytea[])"


async def jobs_of_keys(connection: Executor, digests: Sequence[bytes]) -> list[asyncpg.Record | None]:
    """The jobs that idempotency keys stand for (`job_id, request_hash`), in order; None for a key that is free."""
    known = {row["digest"]: row for row in await connection.fetch(KEYED, list(set(digests)))}
    return [known.get(digest) for digest in digests]


class Heading(NamedTuple):
    """The narrow part of a job: enough to say who may see it, whether it changed, and when to look again."""

    id: UUID
    version: int
    status: str
    type: str
    due_at: datetime
    started_at: datetime | None
    created_by: str
    shared_with: list[str]


HEADINGS = """
SELECT jobs.id, jobs.tenant_id, jobs.version, jobs.status, jobs.type, jobs.due_at, jobs.started_at, jobs.created_by,
       job_definitions.shared_with
FROM unnest($1::uuid[], $2::int[]) AS wanted(id, tenant_id)
JOIN jobs ON jobs.id = wanted.id AND jobs.tenant_id = wanted.tenant_id
LEFT JOIN job_definitions ON job_definitions.tenant_id = jobs.tenant_id AND job_definitions.code = jobs.definition
  AND job_definitions.created_at <= jobs.created_at  -- not of a former definition of that code
"""


async def headings(connection: asyncpg.Pool, wanted: Sequence[tuple[UUID, int]]) -> list[Heading | None]:
    """Headings by (id, tenant), in order; None where the tenant has no such job."""
    rows = await connection.fetch(HEADINGS, *zip(*wanted, strict=True))
    found = {
        (row["id"], row["tenant_id"]): Heading(
            row["id"],
            row["version"],
            row["status"],
            row["type"],
            row["due_at"],
            row["started_at"],
            row["created_by"],
            row["shared_with"] or [],
        )
        for row in rows
    }
    return [found.get(one) for one in wanted]


READ = """
SELECT jobs.id, jobs.number, jobs.tenant_id, jobs.version, jobs.type, jobs.definition, jobs.queue, jobs.status,
       jobs.priority, jobs.worker_tag, jobs.run, jobs.attempt, jobs.claim, jobs.max_attempts, jobs.timeout_seconds,
       jobs.due_at, jobs.start_by, jobs.cancel_requested_at, jobs.percent_completed, jobs.running_output,
       jobs.status_text, jobs.response_type, jobs.output, jobs.error, jobs.created_by, jobs.created_at,
       jobs.updated_at, jobs.started_at, jobs.terminated_at, jobs.purge_at, jobs.worker_id,
       asked.args, asked.attachment_file_id, asked.attachment_url, asked.attachment_name, asked.attachment_mime_type,
       asked.description, asked.category, asked.sub_category, asked.labels, asked.client_request_id,
       asked.correlation_id, asked.idempotency_key, asked.can_rerun, asked.run_at, asked.expires_in,
       asked.publish_link_access_scope, asked.notify, asked.options, asked.root_id, asked.modified_by,
       asked.action, asked.is_scheduled,
       files.size AS attachment_size, files.sha256 AS attachment_sha256,
       links.id AS link_id, links.created_at AS link_created_at, links.expires_at AS link_expires_at,
       published.outputs
FROM unnest($1::uuid[], $2::int[]) AS wanted(id, tenant_id)
JOIN jobs ON jobs.id = wanted.id AND jobs.tenant_id = wanted.tenant_id
JOIN job_requests AS asked ON asked.job_id = jobs.id
LEFT JOIN files ON files.id = asked.attachment_file_id
LEFT JOIN links ON links.job_id = jobs.id AND links.output_id IS NULL
LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object(
               'id', outputs.id, 'name', stored.name, 'mime_type', stored.mime_type, 'size', stored.size,
               'sha256', encode(stored.sha256, 'hex'), 'available_formats', outputs.available_formats,
               'created_at', to_char(outputs.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
               'expires_at', to_char(outputs.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
             ORDER BY outputs.position) AS outputs
    FROM outputs JOIN files AS stored ON stored.id = outputs.file_id
    WHERE outputs.job_id = jobs.id AND outputs.run = jobs.run
) AS published ON jobs.response_type IS NOT NULL OR jobs.terminated_at IS NOT NULL
"""


async def read_jobs(connection: Executor, wanted: Sequence[tuple[UUID, int]]) -> list[asyncpg.Record | None]:
    """Whole jobs by (id, tenant), in order, as job.job_view takes them; None where the tenant has no such job."""
    rows = {
        (row["id"], row["tenant_id"]): row for row in await connection.fetch(READ, *zip(*wanted, strict=True))
    }
    return [rows.get(one) for one in wanted]


ATTEMPTS = """
SELECT run, attempt, claim, worker, started_at, ended_at, outcome, error FROM attempts WHERE job_id = $1
UNION ALL
SELECT run, attempt, claim, worker_id, claimed_at, NULL, NULL, NULL FROM jobs WHERE id = $1 AND status = 'running'
ORDER BY claim
"""


async def attempts_of(connection: asyncpg.Pool, job_id: UUID) -> list[asyncpg.Record]:
    """A job's attempts, oldest first; the one under way has neither end nor outcome."""
    rows: list[asyncpg.Record] = await connection.fetch(ATTEMPTS, job_id)
    return rows


MESSAGES = """
SELECT seq, time, level, text, tool_id FROM job_messages
WHERE job_id = $1 AND seq > $2 AND ($3::text[] IS NULL OR level = ANY ($3))
ORDER BY seq LIMIT $4
"""


async def messages_of(
    connection: asyncpg.Pool, job_id: UUID, after: int, levels: list[str] | None, limit: int
) -> list[asyncpg.Record]:
    """A job's messages after a sequence number, oldest first."""
    rows: list[asyncpg.Record] = await connection.fetch(MESSAGES, job_id, after, levels, limit)
    return rows


NOW = "SELECT floor(extract(epoch FROM now()) * 1000)::bigint"


async def now_ms(connection: Executor) -> int:
    """The database's time, in milliseconds since 1970."""
    now: int = await connection.fetchval(NOW)
    return now


# Each branch has an index that progress does not touch. The margin is for transactions that were under way then.
CHANGED_SINCE = """
WITH since AS (SELECT to_timestamp($2::bigint / 1000.0) - interval '10 seconds' AS at), changed AS (
    SELECT id FROM jobs, since WHERE tenant_id = $1 AND status = 'running' AND updated_at >= at
    UNION SELECT id FROM jobs, since WHERE tenant_id = $1 AND status = 'pending' AND updated_at >= at
    UNION SELECT id FROM jobs, since WHERE tenant_id = $1 AND created_at >= at
    UNION SELECT id FROM jobs, since WHERE tenant_id = $1 AND terminated_at >= at
    UNION SELECT id FROM jobs, since WHERE tenant_id = $1 AND modified_at >= at
    UNION SELECT object_id::uuid FROM audit, since
          WHERE tenant_id = $1 AND object_type = 'job' AND action = 'delete' AND audit.at >= since.at
)
SELECT id FROM changed WHERE $3::uuid IS NULL OR id > $3 ORDER BY id LIMIT 5000
"""


async def changed_since(
    connection: Executor, tenant_id: int, since_ms: int, after: UUID | None
) -> list[UUID]:
    """A page of the jobs that changed or were deleted after that time, and of some that were shortly before."""
    return [row["id"] for row in await connection.fetch(CHANGED_SINCE, tenant_id, since_ms, after)]


DELETED_OF = """
SELECT object_id::uuid AS id FROM audit
WHERE tenant_id = $1 AND object_type = 'job' AND action = 'delete'
  AND at >= to_timestamp($4::bigint / 1000.0) - interval '10 seconds'
  AND object_id = ANY ($3::text[]) AND changes #>> '{created_by,0}' = $2
"""


async def deleted_of(
    connection: Executor, tenant_id: int, created_by: str, job_ids: Sequence[UUID], since_ms: int
) -> set[UUID]:
    """Those of the jobs that were this principal's and have been deleted since."""
    named = [str(job_id) for job_id in job_ids]
    rows = await connection.fetch(DELETED_OF, tenant_id, created_by, named, since_ms)
    return {row["id"] for row in rows}
