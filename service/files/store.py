"""The rows of files and outputs.

A file's `expires_at` is null while a job holds it as attachment or output. Until then, and from the moment its job
is deleted, it is a time after which purge takes row and bytes, unless something refers to the row after all.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from service.db.connection import Executor
from service.errors import CapExceeded, NotFound
from service.files.blob import Blob
from service.files.storage import Storage

# Longer than the slowest way from a blob's last byte to its row.
ORPHAN_GRACE = timedelta(hours=1)
LIFETIME = timedelta(hours=24)
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file's row, as much as is needed to send its bytes; `size` in bytes."""

    name: str
    mime_type: str
    size: int
    sha256: bytes
    storage_key: str


@dataclass(frozen=True, slots=True)
class Output:
    """A file that a job has made."""

    id: UUID
    file: StoredFile
    available_formats: list[str]
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What says whether a caller may see a job and its files."""

    id: UUID
    created_by: str
    shared_with: list[str]


INSERT_FILE = """
INSERT INTO files (id, tenant_id, name, mime_type, size, sha256, storage_key, created_by, expires_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, now() + $9::interval
WHERE coalesce(room_to_store($2) >= $5, true)
RETURNING id
"""
STORAGE_CAP = "SELECT (caps ->> 'storage_bytes')::bigint FROM tenants WHERE id = $1"


async def insert_file(
    connection: Executor,
    *,
    tenant_id: int,
    name: str,
    mime_type: str,
    blob: Blob,
    created_by: str,
    lifetime: timedelta = LIFETIME,
) -> UUID:
    """Write the row of bytes that are stored; it lives for so long, unless a job comes to hold it.

    Raises CapExceeded when the tenant may store no more.
    """
    file_id = uuid7()
    is_kept = await connection.fetchval(
        INSERT_FILE,
        file_id,
        tenant_id,
        name,
        mime_type,
        blob.size,
        blob.sha256,
        blob.key,
        created_by,
        lifetime,
    )
    if is_kept is None:
        raise CapExceeded("storage_bytes", await connection.fetchval(STORAGE_CAP, tenant_id) or 0)
    return file_id


UPLOAD_BY_ID = """
SELECT id, name, mime_type, size, sha256, created_at, expires_at FROM files WHERE tenant_id = $1 AND id = $2
"""


async def upload_by_id(connection: Executor, tenant_id: int, file_id: UUID) -> dict[str, Any]:
    """Give a file that was just inserted as its uploader is shown it."""
    row = dict(await connection.fetchrow(UPLOAD_BY_ID, tenant_id, file_id) or {})
    return {**row, "sha256": row["sha256"].hex()}


TAKE_ATTACHMENT = """
UPDATE files
SET expires_at = CASE WHEN expires_at IS NOT NULL THEN greatest(expires_at, now() + interval '1 hour') END
WHERE tenant_id = $1 AND created_by = $2 AND id = $3 AND (expires_at IS NULL OR expires_at > now())
RETURNING name, mime_type, size, sha256, storage_key
"""


async def take_attachment(
    connection: Executor, tenant_id: int, principal_name: str, file_id: UUID
) -> StoredFile | None:
    """Give a caller's own live upload, and keep purge from it for an hour: the job made of it then holds it.

    None for an unknown one, another's, or one that has expired.
    """
    row = await connection.fetchrow(TAKE_ATTACHMENT, tenant_id, principal_name, file_id)
    return StoredFile(**row) if row else None


JOB_FACTS = """
SELECT jobs.id, jobs.created_by, coalesce(job_definitions.shared_with, '{}') AS shared_with
FROM jobs
LEFT JOIN job_definitions ON job_definitions.tenant_id = jobs.tenant_id AND job_definitions.code = jobs.definition
  AND job_definitions.created_at <= jobs.created_at  -- not of a former definition of that code
WHERE jobs.tenant_id = $1 AND jobs.id = $2
"""


async def job_facts(connection: Executor, tenant_id: int, job_id: UUID) -> JobFacts | None:
    """Give what says who may see a job of this tenant."""
    row = await connection.fetchrow(JOB_FACTS, tenant_id, job_id)
    return JobFacts(**row) if row else None


ATTACHMENT = """
SELECT coalesce(asked.attachment_name, files.name) AS name,
       coalesce(asked.attachment_mime_type, files.mime_type) AS mime_type,
       files.size, files.sha256, files.storage_key, asked.attachment_url
FROM job_requests AS asked LEFT JOIN files ON files.id = asked.attachment_file_id
WHERE asked.tenant_id = $1 AND asked.job_id = $2
"""


async def attachment_of_job(connection: Executor, tenant_id: int, job_id: UUID) -> StoredFile:
    """Give a job's attachment. Raises NotFound, which says whether there is none or it is not fetched yet."""
    row = await connection.fetchrow(ATTACHMENT, tenant_id, job_id)
    if row and row["storage_key"]:
        return StoredFile(row["name"], row["mime_type"], row["size"], row["sha256"], row["storage_key"])
    if row and row["attachment_url"]:
        raise NotFound("the attachment is at a URL, and no worker has fetched it yet")
    raise NotFound("the job has no attachment")


OUTPUTS_OF_RUN = """
SELECT outputs.id, outputs.available_formats, outputs.created_at, outputs.expires_at,
       files.name, files.mime_type, files.size, files.sha256, files.storage_key
FROM jobs
JOIN outputs ON outputs.job_id = jobs.id AND outputs.run = jobs.run
JOIN files ON files.id = outputs.file_id
WHERE jobs.tenant_id = $1 AND jobs.id = $2
ORDER BY outputs.position
"""


async def outputs_of_run(connection: Executor, tenant_id: int, job_id: UUID) -> list[Output]:
    """Give the outputs of a job's current run, in their order."""
    return [_output(row) for row in await connection.fetch(OUTPUTS_OF_RUN, tenant_id, job_id)]


OUTPUT_BY_ID = """
SELECT outputs.id, outputs.available_formats, outputs.created_at, outputs.expires_at,
       files.name, files.mime_type, files.size, files.sha256, files.storage_key
FROM outputs JOIN files ON files.id = outputs.file_id
WHERE outputs.tenant_id = $1 AND outputs.job_id = $2 AND outputs.id = $3
"""


async def output_by_id(connection: Executor, tenant_id: int, job_id: UUID, output_id: UUID) -> Output | None:
    """Give one output of any of a job's runs."""
    row = await connection.fetchrow(OUTPUT_BY_ID, tenant_id, job_id, output_id)
    return _output(row) if row else None


def _output(row: asyncpg.Record) -> Output:
    file = StoredFile(row["name"], row["mime_type"], row["size"], row["sha256"], row["storage_key"])
    return Output(row["id"], file, row["available_formats"], row["created_at"], row["expires_at"])


EXPIRE_FILES_OF_JOBS = """
UPDATE files SET expires_at = now()
WHERE tenant_id = $1 AND id IN (
    SELECT attachment_file_id FROM job_requests WHERE job_id = ANY ($2::uuid[])
    UNION SELECT file_id FROM outputs WHERE job_id = ANY ($2::uuid[])
    UNION SELECT conversions.file_id FROM conversions JOIN outputs ON outputs.id = output_id
          WHERE job_id = ANY ($2::uuid[]))
"""


async def expire_files_of_jobs(connection: Executor, tenant_id: int, job_ids: Sequence[UUID]) -> None:
    """Let go of the files of jobs that the same transaction then deletes.

    An attachment that another job holds too is marked all the same: who looks for other holders here could miss
    one that is being deleted at this moment, and the file would stay for ever. Purge looks when it deletes.
    """
    await connection.execute(EXPIRE_FILES_OF_JOBS, tenant_id, job_ids)


RELEASE_EXPIRED_FILES = """
DELETE FROM files WHERE id IN (
    SELECT id FROM files
    WHERE expires_at <= now()
      AND NOT EXISTS (SELECT FROM job_requests WHERE attachment_file_id = files.id)
      AND NOT EXISTS (SELECT FROM job_definitions WHERE attachment_file_id = files.id)
      AND NOT EXISTS (SELECT FROM outputs WHERE file_id = files.id)
    ORDER BY expires_at LIMIT $1
    FOR UPDATE SKIP LOCKED)
RETURNING storage_key
"""


async def release_expired_files(connection: Executor, limit: int) -> list[str]:
    """Delete up to `limit` rows, of all tenants, that have expired and that nothing refers to.

    Answers the keys of their bytes, which the caller deletes after the commit; if it dies before, they are orphans.
    """
    return [row["storage_key"] for row in await connection.fetch(RELEASE_EXPIRED_FILES, limit)]


SOME_TIME_AGO = "SELECT now() - $1::interval"
WITHOUT_ROW = """
SELECT key FROM unnest($1::text[]) AS key WHERE NOT EXISTS (SELECT FROM files WHERE storage_key = key)
"""


async def orphans(
    connection: Executor, storage: Storage, grace: timedelta = ORPHAN_GRACE
) -> AsyncGenerator[str, None]:
    """Give the keys of bytes that are older than `grace` and have no row: what a crash between the two left."""
    before: datetime = await connection.fetchval(SOME_TIME_AGO, grace)
    keys: list[str] = []
    async for key in storage.older_than(before):
        keys.append(key)
        if len(keys) == _BATCH:
            for row in await connection.fetch(WITHOUT_ROW, keys):
                yield row["key"]
            keys.clear()
    for row in await connection.fetch(WITHOUT_ROW, keys):
        yield row["key"]
