"""The tenant's webhook endpoints in PostgreSQL."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from service.db.connection import Connection, Executor
from service.errors import Conflict
from service.notifications.outbox import drop_those_of

MOST_ENDPOINTS = 20

COUNT = "SELECT count(*) FROM webhook_endpoints WHERE tenant_id = $1"
INSERT = """
INSERT INTO webhook_endpoints (id, tenant_id, url, description, statuses, enabled, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING id, url, description, statuses AS "on", enabled, disabled_reason, version, created_by, created_at, updated_at
"""
LOCK_TENANT = "SELECT FROM tenants WHERE id = $1 FOR NO KEY UPDATE"


async def insert_endpoint(
    connection: Connection,
    tenant_id: int,
    *,
    url: str,
    description: str | None,
    statuses: Sequence[str],
    enabled: bool,
    created_by: str,
) -> asyncpg.Record:
    """Make an endpoint. Raises Conflict when the tenant has as many as it may."""
    await connection.execute(LOCK_TENANT, tenant_id)
    if await connection.fetchval(COUNT, tenant_id) >= MOST_ENDPOINTS:
        raise Conflict(f"a tenant has at most {MOST_ENDPOINTS} webhook endpoints")
    (made,) = await connection.fetch(
        INSERT, uuid7(), tenant_id, url, description, statuses, enabled, created_by
    )
    return made


LIST = """
SELECT id, url, description, statuses AS "on", enabled, disabled_reason, version, created_by, created_at, updated_at
FROM webhook_endpoints WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
"""


async def list_endpoints(
    connection: Executor, tenant_id: int, *, before: UUID | None = None, limit: int = MOST_ENDPOINTS
) -> list[asyncpg.Record]:
    """Endpoints as the API shows them, newest first."""
    rows: list[asyncpg.Record] = await connection.fetch(LIST, tenant_id, before, limit)
    return rows


READ = """
SELECT id, url, description, statuses AS "on", enabled, disabled_reason, version, created_by, created_at, updated_at
FROM webhook_endpoints WHERE tenant_id = $1 AND id = $2
"""


async def read_endpoint(connection: Executor, tenant_id: int, endpoint_id: UUID) -> asyncpg.Record | None:
    """One endpoint; None when the tenant has none of that id."""
    return await connection.fetchrow(READ, tenant_id, endpoint_id)


LOCK = "SELECT FROM webhook_endpoints WHERE tenant_id = $1 AND id = $2 FOR UPDATE"


async def lock_endpoint(connection: Connection, tenant_id: int, endpoint_id: UUID) -> asyncpg.Record | None:
    """As `read_endpoint`, and nobody else changes it until the transaction ends."""
    await connection.execute(LOCK, tenant_id, endpoint_id)
    return await read_endpoint(connection, tenant_id, endpoint_id)


UPDATE = """
UPDATE webhook_endpoints SET url = $3, description = $4, statuses = $5, enabled = $6,
    disabled_reason = CASE WHEN $6 THEN NULL ELSE disabled_reason END, version = version + 1, updated_at = now()
WHERE tenant_id = $1 AND id = $2
RETURNING id, url, description, statuses AS "on", enabled, disabled_reason, version, created_by, created_at, updated_at
"""
FORGET_CIRCUIT = "DELETE FROM circuits WHERE circuit = $1"


async def update_endpoint(
    connection: Connection,
    tenant_id: int,
    endpoint_id: UUID,
    *,
    url: str,
    description: str | None,
    statuses: Sequence[str],
    enabled: bool,
) -> asyncpg.Record:
    """Change a locked endpoint. One that is switched off is sent nothing more; another address starts with trust."""
    await connection.execute(FORGET_CIRCUIT, str(endpoint_id))
    if not enabled:
        await drop_those_of(connection, endpoint_id, "the endpoint is disabled")
    (made,) = await connection.fetch(UPDATE, tenant_id, endpoint_id, url, description, statuses, enabled)
    return made


DELETE = "DELETE FROM webhook_endpoints WHERE tenant_id = $1 AND id = $2"


async def delete_endpoint(connection: Connection, tenant_id: int, endpoint_id: UUID) -> None:
    """Remove a locked endpoint with its secrets; it is sent nothing more."""
    await drop_those_of(connection, endpoint_id, "the endpoint was removed")
    await connection.execute(FORGET_CIRCUIT, str(endpoint_id))
    await connection.execute(DELETE, tenant_id, endpoint_id)


DISABLE_GONE = """
UPDATE webhook_endpoints SET enabled = false, disabled_reason = 'it answered that it is gone (410)',
                             version = version + 1, updated_at = now()
WHERE id = $1 AND enabled
"""


async def disable_gone(connection: Connection, endpoint_id: UUID) -> None:
    """Switch an endpoint off that has answered 410: the worker's own doing, so it is told by `disabled_reason`."""
    await connection.execute(DISABLE_GONE, endpoint_id)
    await drop_those_of(connection, endpoint_id, "the endpoint is gone (410)")
