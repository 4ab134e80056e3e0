"""Reading the ledger: from PostgreSQL, where a trigger of the tests notes each change, and from storage."""

import os
import time
from pathlib import Path
from uuid import UUID

import asyncpg

from engine_jobs import CREATE_EFFECTS
from fault_lab.seen import Change, JobRow, Ledger
from service.files.filesystem import FilesystemStorage
from workers.upkeep.collect import collect_orphans

WITNESS = """
CREATE TABLE witnessed (
    number bigint GENERATED ALWAYS AS IDENTITY, job_id uuid, run int, claim int, before text, after text,
    percent int, version int, lease_id uuid
);
CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO witnessed (job_id, run, claim, before, after, percent, version, lease_id)
    VALUES (NEW.id, NEW.run, NEW.claim, CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END, NEW.status,
            NEW.percent_completed, NEW.version, NEW.lease_id);
    RETURN NULL;
END $$;
CREATE TRIGGER witness_made AFTER INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION witness();
CREATE TRIGGER witness_changed AFTER UPDATE ON jobs FOR EACH ROW
    WHEN (OLD.version <> NEW.version OR OLD.status <> NEW.status) EXECUTE FUNCTION witness();
"""


async def watch(pool: asyncpg.Pool) -> None:
    """Have each change of a job noted from now on, in the transaction that makes it."""
    await pool.execute(WITNESS)
    await pool.execute(CREATE_EFFECTS)


JOBS = """
SELECT id, jobs.tenant_id, idempotency_key, status, run, claim, version
FROM jobs JOIN job_requests ON job_id = id ORDER BY id
"""
CHANGES = "SELECT job_id, run, claim, before, after, percent, version FROM witnessed ORDER BY number"
MESSAGES = "SELECT job_id, seq FROM job_messages"
FINISHED = "SELECT job_id, run FROM attempts WHERE outcome = 'finished'"
COMMITS = "SELECT job_id, run, step FROM effects"
LATE = "SELECT id FROM jobs WHERE status = 'running' AND lease_until < now() - interval '10 seconds'"
IDLE = """
SELECT id FROM jobs
WHERE status = 'pending' AND due_at < now() - interval '10 seconds'
  AND (SELECT coalesce(sum(concurrency), 0) FROM workers WHERE beat_at > now() - interval '10 seconds')
      > (SELECT count(*) FROM jobs WHERE status = 'running')
"""
FIRES = "SELECT definition_id, at, job_id FROM fires WHERE outcome <> 'left_out'"
FIRED_JOBS = """
SELECT jobs.id FROM jobs JOIN job_definitions AS made_of ON made_of.code = jobs.definition
WHERE made_of.schedule IS NOT NULL AND jobs.tenant_id = made_of.tenant_id
"""
NOTICES = "SELECT id, state FROM outbox"
UNOWED = """
SELECT jobs.id FROM jobs JOIN job_requests AS asked ON asked.job_id = jobs.id
WHERE terminated_at IS NOT NULL AND (notify -> 'on')::jsonb ? status AND notify ->> 'webhook_url' IS NOT NULL
  AND NOT EXISTS (SELECT FROM outbox WHERE outbox.job_id = jobs.id)
"""
FILES = "SELECT storage_key FROM files"


async def read_ledger(pool: asyncpg.Pool, storage: Path) -> Ledger:
    """The ledger as it stands; for a system that has come to rest."""

    async def ids(statement: str) -> list[UUID]:
        return [row[0] for row in await pool.fetch(statement)]

    missing, stray = await _apart(pool, storage)
    return Ledger(
        jobs=[JobRow(*row) for row in await pool.fetch(JOBS)],
        changes=[Change(*row) for row in await pool.fetch(CHANGES)],
        messages=[tuple(row) for row in await pool.fetch(MESSAGES)],
        finished_claims=[tuple(row) for row in await pool.fetch(FINISHED)],
        commits=[tuple(row) for row in await pool.fetch(COMMITS)],
        late=await ids(LATE),
        idle=await ids(IDLE),
        fires=[tuple(row) for row in await pool.fetch(FIRES)],
        fired_jobs=await ids(FIRED_JOBS),
        notices=[tuple(row) for row in await pool.fetch(NOTICES)],
        unowed=await ids(UNOWED),
        missing_blobs=missing,
        stray_blobs=stray,
    )


async def _apart(pool: asyncpg.Pool, storage: Path) -> tuple[list[str], list[str]]:
    """Rows without bytes, and bytes without a row once their hour is over, which is made to be over now."""
    if not storage.exists():
        return [row[0] for row in await pool.fetch(FILES)], []
    hours_ago = time.time() - 7_200
    for path in storage.rglob("*"):
        if path.is_file():
            os.utime(path, (hours_ago, hours_ago))
    await collect_orphans(pool, FilesystemStorage(storage))
    named = {row[0] for row in await pool.fetch(FILES)}
    there = {path.name: path for path in storage.rglob("*") if path.is_file()}
    missing = [key for key in named if key.rpartition("/")[2] not in there]
    kept = {key.rpartition("/")[2] for key in named}
    return missing, [name for name in there if name not in kept]
