"""Removes what has had its time: jobs past `purge_at`, files that nothing refers to, dead workers' rows."""

import asyncpg
import structlog

from service.files.store import release_expired_files
from workers.runtime import Runtime

log = structlog.get_logger()

BATCH = 200

# A job's files are marked, not deleted: release_expired_files looks whether another job holds them too.
PURGE_JOBS = """
WITH doomed AS (
    SELECT id FROM jobs WHERE purge_at <= now() AND status <> 'running' ORDER BY purge_at LIMIT $1 FOR UPDATE
    SKIP LOCKED
), marked AS (
    UPDATE files SET expires_at = now()
    WHERE id IN (SELECT attachment_file_id FROM job_requests WHERE job_id IN (SELECT id FROM doomed)
                 UNION SELECT file_id FROM outputs WHERE job_id IN (SELECT id FROM doomed)
                 UNION SELECT conversions.file_id FROM conversions JOIN outputs ON outputs.id = output_id
                       WHERE job_id IN (SELECT id FROM doomed))
)
DELETE FROM jobs WHERE id IN (SELECT id FROM doomed) RETURNING id
"""


async def purge_jobs(connection: asyncpg.Pool) -> int:
    """Delete a batch of jobs whose time is over; answers how many."""
    return len(await connection.fetch(PURGE_JOBS, BATCH))


FORGET_WORKERS = "DELETE FROM workers WHERE beat_at < now() - interval '1 hour'"


async def purge(runtime: Runtime) -> None:
    """Purge batch by batch until nothing is left to purge."""
    while (count := await purge_jobs(runtime.pool)) > 0:
        log.info("jobs purged", action="purge.jobs", count=count)
    while keys := await release_expired_files(runtime.pool, BATCH):
        for key in keys:
            await runtime.storage.delete(key)
        log.info("files purged", action="purge.files", count=len(keys))
    await runtime.pool.execute(FORGET_WORKERS)
