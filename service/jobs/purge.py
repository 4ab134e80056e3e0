"""What has had its time: jobs, their messages, attachments and outputs, by each tenant's retention.

A job's end stamps `purge_at` on it and `expires_at` on its outputs; both may be changed, or seen, until then. What
ended before its tenant had a retention is found by a walk through the ended jobs, oldest first, which also lets go of
messages and attachments; each walk remembers how far it has come, so that nothing is looked at twice.

Everything goes in bounded batches, each a transaction of the caller. A job that is run again is out of it: its row is
locked first, and looked at again under the lock. Files are marked, not deleted: release_expired_files looks whether
another job holds them too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from service.db.connection import Connection, Executor

BATCH = 200
MOST_WALKS = 50
KINDS = ("jobs", "messages", "attachments", "outputs")

ENSURE_WALKS = """
INSERT INTO retention_walks (tenant_id, kind)
SELECT tenants.id, kind FROM tenants, unnest($1::text[]) AS kind
WHERE retention <> '{}' AND retention ->> kind IS NOT NULL AND ($2::int IS NULL OR tenants.id = $2)
ON CONFLICT DO NOTHING
"""
# The end of a step is that of the last of so many jobs, so that all that ended in its millisecond are in it too.
WALKS = """
SELECT walk.tenant_id, walk.kind, walk.until AS since, (
           SELECT max(terminated_at) FROM (
               SELECT terminated_at FROM jobs
               WHERE jobs.tenant_id = walk.tenant_id AND terminated_at > walk.until
                 AND terminated_at <= now() - make_interval(days => (retention ->> walk.kind)::int)
               ORDER BY terminated_at LIMIT $2) AS batch) AS until
FROM retention_walks AS walk JOIN tenants ON tenants.id = walk.tenant_id
WHERE retention ->> walk.kind IS NOT NULL AND ($1::int IS NULL OR walk.tenant_id = $1)
FOR NO KEY UPDATE OF walk SKIP LOCKED
"""
WALKED = "UPDATE retention_walks SET until = $3 WHERE tenant_id = $1 AND kind = $2"

STAMP_JOBS = """
WITH ended AS (
    SELECT id FROM jobs WHERE tenant_id = $1 AND terminated_at > $2 AND terminated_at <= $3
    ORDER BY id FOR NO KEY UPDATE
), stamped AS (
    UPDATE jobs SET purge_at = date_trunc('milliseconds', now())
    FROM ended WHERE jobs.id = ended.id AND purge_at IS NULL
)
SELECT 0
"""
PURGE_MESSAGES = """
WITH ended AS (
    SELECT id FROM jobs WHERE tenant_id = $1 AND terminated_at > $2 AND terminated_at <= $3
    ORDER BY id FOR NO KEY UPDATE
), gone AS (
    DELETE FROM job_messages WHERE job_id IN (SELECT id FROM ended) RETURNING 1
)
SELECT count(*) FROM gone
"""
# Without its attachment a job can't run again, unless that can be fetched again.
PURGE_ATTACHMENTS = """
WITH ended AS (
    SELECT id FROM jobs WHERE tenant_id = $1 AND terminated_at > $2 AND terminated_at <= $3
    ORDER BY id FOR NO KEY UPDATE
), held AS (
    SELECT job_id, attachment_file_id FROM job_requests
    WHERE job_id IN (SELECT id FROM ended) AND attachment_file_id IS NOT NULL
), gone AS (
    UPDATE job_requests SET attachment_file_id = NULL, can_rerun = can_rerun AND attachment_url IS NOT NULL
    FROM held WHERE job_requests.job_id = held.job_id
    RETURNING job_requests.job_id
), marked AS (
    UPDATE files SET expires_at = now() WHERE id IN (SELECT attachment_file_id FROM held)
), told AS (
    UPDATE jobs SET version = version + 1, modified_at = now(), updated_at = now() FROM gone WHERE jobs.id = gone.job_id
)
SELECT count(*) FROM gone
"""
STAMP_OUTPUTS = """
WITH ended AS (
    SELECT id, run FROM jobs WHERE tenant_id = $1 AND terminated_at > $2 AND terminated_at <= $3
    ORDER BY id FOR NO KEY UPDATE
), stamped AS (
    UPDATE outputs SET expires_at = date_trunc('milliseconds', now())
    FROM ended WHERE outputs.job_id = ended.id AND expires_at IS NULL
)
SELECT 0
"""
STEPS: Mapping[str, str] = {
    "jobs": STAMP_JOBS,
    "messages": PURGE_MESSAGES,
    "attachments": PURGE_ATTACHMENTS,
    "outputs": STAMP_OUTPUTS,
}

# The job's own link leads to its first output: it ends with its outputs, and comes alive again with a rerun's.
PURGE_OUTPUTS = """
WITH doomed AS (
    SELECT id, job_id, file_id FROM outputs
    WHERE expires_at <= now() AND ($1::int IS NULL OR tenant_id = $1)
    ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
), held AS (
    SELECT id FROM jobs WHERE id IN (SELECT job_id FROM doomed) ORDER BY id FOR NO KEY UPDATE
), told AS (
    UPDATE jobs SET version = version + 1, modified_at = now(), updated_at = now() FROM held WHERE jobs.id = held.id
), marked AS (
    UPDATE files SET expires_at = now()
    WHERE id IN (SELECT file_id FROM doomed
                 UNION SELECT file_id FROM conversions WHERE output_id IN (SELECT id FROM doomed))
), ended AS (
    UPDATE links SET expires_at = now()
    WHERE output_id IS NULL AND job_id IN (SELECT job_id FROM doomed)
      AND NOT EXISTS (SELECT FROM outputs JOIN jobs ON jobs.id = outputs.job_id AND jobs.run = outputs.run
                      WHERE outputs.job_id = links.job_id AND outputs.id NOT IN (SELECT id FROM doomed))
), gone AS (
    DELETE FROM outputs WHERE id IN (SELECT id FROM doomed) RETURNING 1
)
SELECT count(*) FROM gone
"""
# Who is still to be told of its end keeps a job: that takes three days at most.
PURGE_JOBS = """
WITH doomed AS (
    SELECT id FROM jobs WHERE purge_at <= now() AND status <> 'running' AND ($1::int IS NULL OR tenant_id = $1)
      AND NOT EXISTS (SELECT FROM outbox WHERE outbox.job_id = jobs.id AND outbox.state IN ('pending', 'undeliverable'))
    ORDER BY purge_at LIMIT $2 FOR UPDATE OF jobs SKIP LOCKED
), marked AS (
    UPDATE files SET expires_at = now()
    WHERE id IN (SELECT attachment_file_id FROM job_requests WHERE job_id IN (SELECT id FROM doomed)
                 UNION SELECT file_id FROM outputs WHERE job_id IN (SELECT id FROM doomed)
                 UNION SELECT conversions.file_id FROM conversions JOIN outputs ON outputs.id = output_id
                       WHERE job_id IN (SELECT id FROM doomed))
), gone AS (
    DELETE FROM jobs WHERE id IN (SELECT id FROM doomed) RETURNING 1
)
SELECT count(*) FROM gone
"""


@dataclass(slots=True)
class Purged:
    """How many of each kind are gone, and whether there may be more."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    more: bool = False


async def purge_batch(connection: Connection, tenant_id: int | None, limit: int = BATCH) -> Purged:
    """In a transaction: take a batch of each kind, of one tenant or of all."""
    purged = Purged()
    await connection.execute(ENSURE_WALKS, KINDS, tenant_id)
    walks = [row for row in await connection.fetch(WALKS, tenant_id, limit) if row["until"] is not None]
    for walk in walks[:MOST_WALKS]:
        since: datetime = walk["since"]
        purged.counts[walk["kind"]] += await connection.fetchval(
            STEPS[walk["kind"]], walk["tenant_id"], since, walk["until"]
        )
        await connection.execute(WALKED, walk["tenant_id"], walk["kind"], walk["until"])
    outputs = await connection.fetchval(PURGE_OUTPUTS, tenant_id, limit)
    jobs = await connection.fetchval(PURGE_JOBS, tenant_id, limit)
    purged.counts["outputs"] += outputs
    purged.counts["jobs"] += jobs
    purged.more = bool(walks) or max(outputs, jobs) >= limit
    return purged


# What purge_batch would take if it were called until nothing is left.
DRY_RUN = """
WITH cutoff AS (
    SELECT now() - make_interval(days => (retention ->> 'jobs')::int) AS jobs,
           now() - make_interval(days => (retention ->> 'messages')::int) AS messages,
           now() - make_interval(days => (retention ->> 'attachments')::int) AS attachments,
           now() - make_interval(days => (retention ->> 'outputs')::int) AS outputs
    FROM tenants WHERE id = $1
)
SELECT (SELECT count(*) FROM jobs
        WHERE tenant_id = $1 AND status <> 'running'
          AND coalesce(purge_at <= now(), terminated_at <= cutoff.jobs)) AS jobs,
       (SELECT count(*) FROM job_messages JOIN jobs ON jobs.id = job_id
        WHERE jobs.tenant_id = $1 AND terminated_at <= cutoff.messages) AS messages,
       (SELECT count(*) FROM job_requests JOIN jobs ON jobs.id = job_id
        WHERE jobs.tenant_id = $1 AND terminated_at <= cutoff.attachments AND attachment_file_id IS NOT NULL)
           AS attachments,
       (SELECT coalesce(sum(size), 0)::bigint FROM files
        WHERE id IN (SELECT attachment_file_id FROM job_requests JOIN jobs ON jobs.id = job_id
                     WHERE jobs.tenant_id = $1 AND terminated_at <= cutoff.attachments)) AS attachment_bytes,
       (SELECT count(*) FROM outputs JOIN jobs ON jobs.id = job_id
        WHERE jobs.tenant_id = $1
          AND coalesce(outputs.expires_at <= now(), terminated_at <= cutoff.outputs)) AS outputs,
       (SELECT coalesce(sum(size), 0)::bigint FROM files JOIN outputs ON outputs.file_id = files.id
        JOIN jobs ON jobs.id = job_id
        WHERE jobs.tenant_id = $1
          AND coalesce(outputs.expires_at <= now(), terminated_at <= cutoff.outputs)) AS output_bytes
FROM cutoff
"""


async def would_purge(connection: Executor, tenant_id: int) -> asyncpg.Record:
    """Count what a purge of the tenant would take now, and the bytes of its files."""
    row = await connection.fetchrow(DRY_RUN, tenant_id)
    assert row is not None  # noqa: S101 - its caller's tenant
    return row
