"""How a worker takes jobs, and which ones it may take.

Each claim writes a fresh `lease_id`. Every later write of that worker names it, so a worker that lost its lease
(stopped for too long, cut off, declared dead) changes nothing, however late it wakes: see leases.py, reports.py,
endings.py and checkpoints.py. Death is a lease that ran out by the database's clock, never elapsed time.

Statements over several jobs lock them in the order of their ids first: reports, settles and heartbeats of one process
travel on different connections and would else deadlock. The locks are FOR NO KEY UPDATE, never FOR UPDATE: a fenced
block of an attempt that froze holds its job's key (job_checkpoints refers to it), and must not keep anybody from
rescuing and claiming that job.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg

CRASHES_ALLOWED = 3
"""A job that takes its worker down this often fails with `worker_lost`."""

PROBATION_SECONDS = 0.25
"""How long a job on its last chance runs before the next such job starts on the same worker."""

# Suspended, cancelled, taken, not yet due, of a type or tag for other workers, one too many of its tenant's: no row;
# the message was stale.
# Nobody can tell which of the jobs of a lost worker took it down, so all are charged, until the next charge is a
# job's last: such jobs start one after the other (PROBATION_SECONDS apart on a worker), and RESCUE charges the
# youngest of them alone.
# Each wanted job is looked up by its primary key, whatever the planner believes: `OFFSET 0` and `status || ''` keep it
# from jobs_waiting, where it would walk through all that wait for each job that is wanted, since it learns of a sudden
# backlog minutes late.
CLAIM = """
WITH wanted AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[]) AS wanted(id, lease_id)
), pending AS MATERIALIZED (
    SELECT jobs.id, wanted.lease_id, jobs.tenant_id, jobs.priority, jobs.due_at, jobs.crashes
    FROM wanted CROSS JOIN LATERAL (SELECT * FROM jobs WHERE jobs.id = wanted.id OFFSET 0) AS jobs
    WHERE jobs.status = 'pending' AND jobs.due_at <= now()
      AND CASE WHEN jobs.worker_tag IS NULL THEN NOT $5::bool ELSE $6::bool OR jobs.worker_tag = ANY ($7::text[]) END
      AND jobs.type = ANY ($8::text[])
), capped AS MATERIALIZED (
    -- locked, in the order of their ids, until this commits: two claims never fill one tenant's last place
    SELECT id, room_to_run(id) AS room
    FROM (SELECT id FROM tenants
          WHERE caps ->> 'running' IS NOT NULL AND id IN (SELECT tenant_id FROM pending)
          ORDER BY id) AS tenant
), placed AS (
    SELECT pending.id, capped.room,
           row_number() OVER (PARTITION BY capped.id ORDER BY priority DESC, due_at, pending.id) AS place
    FROM pending JOIN capped ON capped.id = pending.tenant_id
), free AS (
    SELECT pending.id, pending.lease_id
    FROM pending CROSS JOIN LATERAL (
        SELECT FROM jobs
        WHERE jobs.id = pending.id AND jobs.status || '' = 'pending' AND jobs.due_at <= now()
          AND (jobs.start_by IS NULL OR jobs.start_by > now() OR jobs.started_at IS NOT NULL)
          AND CASE WHEN jobs.worker_tag IS NULL THEN NOT $5::bool
                   ELSE $6::bool OR jobs.worker_tag = ANY ($7::text[]) END
          AND jobs.type = ANY ($8::text[]) AND jobs.crashes = pending.crashes
        FOR NO KEY UPDATE SKIP LOCKED) AS locked
    WHERE (pending.tenant_id NOT IN (SELECT id FROM capped)
           OR pending.id IN (SELECT id FROM placed WHERE place <= room))
      AND (pending.crashes + 1 < $9 OR (
            NOT EXISTS (SELECT FROM jobs AS other
                        WHERE other.worker_id = $4 AND other.status = 'running' AND other.crashes + 1 >= $9
                          AND other.claimed_at > now() - make_interval(secs => $10))
            AND pending.id = (SELECT id FROM pending WHERE crashes + 1 >= $9 ORDER BY due_at, id LIMIT 1)))
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
SELECT claimed.*, asked.args, asked.sealed_args, asked.attachment_url, asked.attachment_name,
       asked.attachment_mime_type, asked.traceparent,
       files.size AS attachment_size, files.storage_key AS attachment_key,
       claimed.tenant_id IN (SELECT id FROM capped) AS is_capped
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
SELECT id, tenant_id, run, claim, priority, worker_tag, due_at, updated_at FROM jobs
WHERE status = 'pending' AND due_at <= now() + make_interval(secs => $2)
  AND CASE WHEN worker_tag IS NULL THEN NOT $3::bool ELSE $4::bool OR worker_tag = ANY ($5::text[]) END
  AND type = ANY ($6::text[])
  AND tenant_id NOT IN (SELECT tenants.id FROM tenants WHERE caps ->> 'running' IS NOT NULL)
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
    """A page of pending jobs that are due (or will be soon) and that this worker may take, most urgent first.

    Those of tenants with a cap of running jobs are not among them: capped.py offers those.
    """
    start = (after["priority"], after["due_at"], after["id"]) if after else (None, None, None)
    rows: list[asyncpg.Record] = await connection.fetch(DUE, limit, within_seconds, *tags, types, *start)
    return rows


NEXT = """
WITH capped AS MATERIALIZED (
    SELECT id, (caps ->> 'running')::bigint - (
                   SELECT coalesce(sum(jobs), 0) FROM job_tallies
                   WHERE tenant_id = tenants.id AND status = 'running') AS room
    FROM tenants WHERE caps ->> 'running' IS NOT NULL
)
SELECT waiting.id FROM (
    SELECT id, tenant_id, priority, due_at,
           row_number() OVER (PARTITION BY tenant_id, priority ORDER BY due_at, id) AS turn,
           row_number() OVER (PARTITION BY tenant_id ORDER BY priority DESC, due_at, id) AS place
    FROM jobs WHERE status = 'pending' AND due_at <= now()
      AND CASE WHEN worker_tag IS NULL THEN NOT $2::bool ELSE $3::bool OR worker_tag = ANY ($4::text[]) END
      AND type = ANY ($5::text[])
) AS waiting LEFT JOIN capped ON capped.id = waiting.tenant_id
WHERE capped.id IS NULL OR place <= room
ORDER BY priority DESC, turn, due_at
LIMIT $1
"""


async def next_jobs(
    connection: asyncpg.Pool, limit: int, tags: Tags, types: Sequence[str]
) -> list[asyncpg.Record]:
    """The jobs to be claimed next while Redis is away: most urgent first, tenants in turns."""
    rows: list[asyncpg.Record] = await connection.fetch(NEXT, limit, *tags, types)
    return rows
