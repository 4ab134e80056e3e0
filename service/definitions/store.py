"""Definitions in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from service.db.connection import Connection, Executor


class Columns(NamedTuple):
    """What of a definition can be written; JSON fields are JSON text."""

    type: str
    name: str
    description: str | None
    args: str
    sealed_args: str | None
    attachment_file_id: UUID | None
    attachment_url: str | None
    attachment_name: str | None
    attachment_mime_type: str | None
    priority: int
    worker_tag: str | None
    publish_link_access_scope: str
    timeout_seconds: int
    max_attempts: int
    labels: str
    shared_with: list[str]
    options: str
    schedule: str | None
    walked_at: datetime | None
    next_run_at: datetime | None
    next_due_at: datetime | None


_SHOWN = """
    definition.id, definition.tenant_id, definition.code, definition.type, definition.name, definition.description,
    definition.args, definition.sealed_args, definition.attachment_file_id, definition.attachment_url,
    definition.attachment_name, definition.attachment_mime_type, files.size AS attachment_size,
    files.sha256 AS attachment_sha256, definition.priority, definition.worker_tag,
    definition.publish_link_access_scope, definition.timeout_seconds, definition.max_attempts, definition.labels,
    definition.shared_with, definition.options, definition.schedule, definition.walked_at, definition.next_run_at,
    definition.next_due_at, definition.last_run_at, definition.last_job_id, definition.version, definition.created_by,
    definition.created_at, definition.updated_at
FROM job_definitions AS definition LEFT JOIN files ON files.id = definition.attachment_file_id
"""

READ = f"SELECT {_SHOWN} WHERE definition.tenant_id = $1 AND definition.code = $2"
LOCK = f"{READ} FOR NO KEY UPDATE OF definition"


async def read(connection: Executor, tenant_id: int, code: str) -> asyncpg.Record | None:
    """A definition of the tenant."""
    if "\0" in code:  # which a text of PostgreSQL can't hold
        return None
    return await connection.fetchrow(READ, tenant_id, code)


async def lock(connection: Connection, tenant_id: int, code: str) -> asyncpg.Record | None:
    """A definition of the tenant, held until the transaction ends."""
    if "\0" in code:
        return None
    return await connection.fetchrow(LOCK, tenant_id, code)


# $3 is who reads, or null for who sees all; an array that is null does not filter.
_VISIBLE = """
WHERE definition.tenant_id = $1
  AND ($2::text IS NULL OR definition.created_by = $2 OR definition.shared_with && ARRAY[$2, '*'])
  AND ($3::text[] IS NULL OR definition.type = ANY ($3))
  AND ($4::text[] IS NULL OR definition.created_by = ANY ($4))
"""

LIST = f"""
SELECT {_SHOWN} {_VISIBLE} AND ($5::text IS NULL OR definition.code > $5)
ORDER BY definition.code LIMIT $6
"""
COUNT = f"SELECT count(*) FROM job_definitions AS definition {_VISIBLE}"


async def page(
    connection: Executor,
    tenant_id: int,
    reader: str | None,
    types: Sequence[str] | None,
    creators: Sequence[str] | None,
    *,
    after: str | None,
    limit: int,
) -> list[asyncpg.Record]:
    """The definitions that a reader (None: one who sees all) may see, by code."""
    rows: list[asyncpg.Record] = await connection.fetch(
        LIST, tenant_id, reader, types, creators, after, limit
    )
    return rows


async def count(
    connection: Executor,
    tenant_id: int,
    reader: str | None,
    types: Sequence[str] | None,
    creators: Sequence[str] | None,
) -> int:
    """How many definitions there are on all pages."""
    counted: int = await connection.fetchval(COUNT, tenant_id, reader, types, creators)
    return counted


INSERT = """
INSERT INTO job_definitions (
    id, tenant_id, code, created_by, type, name, description, args, sealed_args, attachment_file_id, attachment_url,
    attachment_name, attachment_mime_type, priority, worker_tag, publish_link_access_scope, timeout_seconds,
    max_attempts, labels, shared_with, options, schedule, walked_at, next_run_at, next_due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
        $24, $25)
ON CONFLICT (tenant_id, code) DO NOTHING
RETURNING id
"""


async def insert(
    connection: Connection, definition_id: UUID, tenant_id: int, code: str, created_by: str, columns: Columns
) -> bool:
    """Make a definition; False when its code is taken."""
    row = await connection.fetchval(INSERT, definition_id, tenant_id, code, created_by, *columns)
    return row is not None


UPDATE = """
UPDATE job_definitions SET
    type = $2, name = $3, description = $4, args = $5, sealed_args = $6, attachment_file_id = $7, attachment_url = $8,
    attachment_name = $9, attachment_mime_type = $10, priority = $11, worker_tag = $12,
    publish_link_access_scope = $13, timeout_seconds = $14, max_attempts = $15, labels = $16, shared_with = $17,
    options = $18, schedule = $19, walked_at = $20, next_run_at = $21, next_due_at = $22,
    version = version + 1, updated_at = now()
WHERE id = $1
"""


async def update(connection: Connection, definition_id: UUID, columns: Columns) -> None:
    """Write a definition that is held."""
    await connection.execute(UPDATE, definition_id, *columns)


DELETE = "DELETE FROM job_definitions WHERE id = $1"


async def delete(connection: Connection, definition_id: UUID) -> None:
    """Remove a definition that is held, and its history; its jobs stay."""
    await connection.execute(DELETE, definition_id)
