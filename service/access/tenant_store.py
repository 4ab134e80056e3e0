"""One's own tenant in PostgreSQL: its settings, and what it uses of its caps."""

from typing import Any, NamedTuple

import asyncpg

from service.db.connection import Connection, Executor

READ_TENANT = """
SELECT code, name, account_code, database_name, caps, key_requests_per_minute, retention, link_seconds, version,
       created_at,
       (SELECT json_agg(json_build_object('id', id, 'url', url, 'on', statuses, 'enabled', enabled) ORDER BY id)
        FROM webhook_endpoints WHERE tenant_id = tenants.id) AS webhook_endpoints
FROM tenants WHERE id = $1
"""


async def read_tenant(connection: Executor, tenant_id: int) -> asyncpg.Record | None:
    """The tenant's row; `caps`, `retention` and `webhook_endpoints` (null for none) are JSON."""
    return await connection.fetchrow(READ_TENANT, tenant_id)


HOLD_TENANT = READ_TENANT + "FOR NO KEY UPDATE"


async def hold_tenant(connection: Connection, tenant_id: int) -> asyncpg.Record | None:
    """Read it, and keep others from changing it until the transaction ends."""
    return await connection.fetchrow(HOLD_TENANT, tenant_id)


class TenantSettings(NamedTuple):
    """What can be changed of a tenant; `caps` and `retention` are JSON."""

    name: str
    account_code: str | None
    database_name: str | None
    caps: str
    key_requests_per_minute: int | None
    retention: str
    link_seconds: int


UPDATE_TENANT = """
UPDATE tenants SET name = $2, account_code = $3, database_name = $4, caps = $5, key_requests_per_minute = $6,
                   retention = $7, link_seconds = $8, version = version + 1
WHERE id = $1
"""


async def update_tenant(connection: Connection, tenant_id: int, settings: TenantSettings) -> None:
    """Write them, under a new version."""
    await connection.execute(UPDATE_TENANT, tenant_id, *settings)


USED = """
SELECT (SELECT coalesce(sum(jobs), 0)::bigint FROM job_tallies
        WHERE tenant_id = $1 AND status IN ('pending', 'suspended')) AS queued,
       (SELECT coalesce(sum(jobs), 0)::bigint FROM job_tallies
        WHERE tenant_id = $1 AND status = 'running') AS running,
       (SELECT coalesce(sum(bytes), 0)::bigint FROM file_tallies WHERE tenant_id = $1) AS storage_bytes
"""


async def used(connection: Executor, tenant_id: int) -> dict[str, Any]:
    """What the tenant has at the moment of what the database counts."""
    return dict(await connection.fetchrow(USED, tenant_id) or {})
