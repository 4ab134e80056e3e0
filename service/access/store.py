"""Keys and tenants in PostgreSQL. Whether a key is good is decided by the database's clock."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import orjson
from uuid_utils.compat import uuid7

from service.access.principal import NO_CAPS, Caps, Permission, Principal, permissions_of
from service.access.tokens import make_token, may_be_a_token, new_secret, token_hash
from service.db.connection import Connection
from service.errors import Conflict, NotFound
from service.settings import SettingsError

DEFAULT_TENANT = "default"

# The row of the current hash comes last, so that it wins should one hash be current here and former there.
PRINCIPALS_BY_HASH = """
SELECT asked.hash, true AS is_current,
       k.id, k.tenant_id, t.code AS tenant_code, t.caps, t.key_requests_per_minute, k.principal, k.roles, k.grants,
       k.last_used_at IS NULL OR k.last_used_at <= now() - interval '1 minute' AS use_is_news
FROM unnest($1::bytea[]) AS asked (hash)
JOIN keys k ON k.secret_hash = asked.hash
JOIN tenants t ON t.id = k.tenant_id
WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
UNION ALL
SELECT asked.hash, false, k.id, k.tenant_id, t.code, t.caps, t.key_requests_per_minute, k.principal, k.roles, k.grants,
       k.last_used_at IS NULL OR k.last_used_at <= now() - interval '1 minute'
FROM unnest($1::bytea[]) AS asked (hash)
JOIN keys k ON k.previous_hash = asked.hash AND k.previous_until > now()
JOIN tenants t ON t.id = k.tenant_id
WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
ORDER BY is_current
"""


async def principals_by_hash(connection: Connection, hashes: Sequence[bytes]) -> list[Principal | None]:
    """Who each token belongs to, in the order asked; None for one that is unknown, expired or revoked.

    One statement for all, and at most once a minute for each key a second one that notes its use.
    """
    rows = await connection.fetch(PRINCIPALS_BY_HASH, list(set(hashes)))
    if used := [row["id"] for row in rows if row["use_is_news"]]:
        await note_use_if_a_minute_old(connection, used)
    found = {row["hash"]: principal_from(row) for row in rows}
    return [found.get(one) for one in hashes]


def principal_from(row: asyncpg.Record) -> Principal:
    """The caller, from a row with what its key and its tenant say of it."""
    roles, grants = tuple(row["roles"]), tuple(row["grants"])
    return Principal(
        tenant_id=row["tenant_id"],
        tenant_code=row["tenant_code"],
        name=row["principal"],
        roles=roles,
        grants=grants,
        key_id=row["id"],
        permissions=permissions_of(roles, grants),
        caps=caps_of(row),
    )


def caps_of(row: asyncpg.Record) -> Caps:
    """A tenant's caps, from a row with its columns caps and key_requests_per_minute."""
    if row["caps"] == "{}" and row["key_requests_per_minute"] is None:
        return NO_CAPS
    return Caps(**orjson.loads(row["caps"]), key_requests_per_minute=row["key_requests_per_minute"])


# A row that another process is just noting is skipped: it notes the same, and two could wait for each other.
NOTE_USE_IF_A_MINUTE_OLD = """
UPDATE keys SET last_used_at = now()
WHERE id IN (
    SELECT id FROM keys
    WHERE id = ANY($1::uuid[]) AND (last_used_at IS NULL OR last_used_at <= now() - interval '1 minute')
    FOR NO KEY UPDATE SKIP LOCKED
)
"""


async def note_use_if_a_minute_old(connection: Connection, key_ids: Sequence[UUID]) -> None:
    """Set last_used_at of these keys, at most once a minute for each."""
    await connection.execute(NOTE_USE_IF_A_MINUTE_OLD, key_ids)


INSERT_KEY = """
INSERT INTO keys (id, tenant_id, name, principal, roles, grants, expires_at, created_by, secret_hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
RETURNING id, name, principal, roles, grants, created_at, expires_at, last_used_at
"""


async def insert_key(
    connection: Connection,
    tenant_id: int,
    *,
    name: str,
    principal: str,
    roles: Sequence[str],
    grants: Sequence[str],
    expires_at: datetime | None,
    created_by: str,
) -> tuple[asyncpg.Record, str]:
    """Make a key; gives its row and its token, which is kept nowhere."""
    key_id = uuid7()
    token = make_token(key_id, new_secret())
    hashed = token_hash(token)
    rows = await connection.fetch(
        INSERT_KEY, key_id, tenant_id, name, principal, roles, grants, expires_at, created_by, hashed
    )
    return rows[0], token


LIST_KEYS = """
SELECT id, name, principal, roles, grants, created_at, expires_at, last_used_at
FROM keys
WHERE tenant_id = $1 AND revoked_at IS NULL AND ($2::uuid IS NULL OR id < $2)
ORDER BY id DESC
LIMIT $3
"""


async def list_keys(
    connection: Connection, tenant_id: int, *, before: UUID | None, limit: int
) -> list[asyncpg.Record]:
    """The tenant's keys that are not revoked, newest first, from the one after `before`."""
    return await connection.fetch(LIST_KEYS, tenant_id, before, limit)


LOCK_KEY_IF_LIVE = """
SELECT id, name, principal, roles, grants, created_at, expires_at, last_used_at
FROM keys
WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL
FOR NO KEY UPDATE
"""


async def lock_key_if_live(connection: Connection, tenant_id: int, key_id: UUID) -> asyncpg.Record | None:
    """Read a key and hold it until the transaction ends; None as for `revoke_key_if_live`."""
    return await connection.fetchrow(LOCK_KEY_IF_LIVE, tenant_id, key_id)


REVOKE_KEY_IF_LIVE = """
UPDATE keys SET revoked_at = now()
WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL
RETURNING id, name, principal
"""


async def revoke_key_if_live(connection: Connection, tenant_id: int, key_id: UUID) -> asyncpg.Record | None:
    """End a key with all its tokens; None when the tenant has no such key that is live."""
    return await connection.fetchrow(REVOKE_KEY_IF_LIVE, tenant_id, key_id)


HOLD_KEYS_OF_TENANT = "SELECT id FROM tenants WHERE id = $1 FOR NO KEY UPDATE"
HAS_A_KEY_FOR_KEYS = """
SELECT EXISTS (SELECT FROM keys
               WHERE tenant_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
                 AND ('admin' = ANY (roles) OR 'keys' = ANY (grants)))
"""


async def has_a_key_for_keys(connection: Connection, tenant_id: int) -> bool:
    """Whether the tenant has a live key with the permission `keys`; two who revoke them ask one after the other."""
    await connection.execute(HOLD_KEYS_OF_TENANT, tenant_id)
    there: bool = await connection.fetchval(HAS_A_KEY_FOR_KEYS, tenant_id)
    return there


# The row keeps one former hash: a second rotation within the grace ends the first token.
ROTATE_KEY_IF_LIVE = """
UPDATE keys SET
    secret_hash = $3,
    previous_hash = CASE WHEN $4 > 0 THEN secret_hash END,
    previous_until = CASE WHEN $4 > 0 THEN now() + make_interval(secs => $4) END
WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL
"""


async def rotate_key_if_live(connection: Connection, tenant_id: int, key_id: UUID, grace_seconds: int) -> str:
    """Give a key another token, and return it; the former one is good for `grace_seconds` more."""
    token = make_token(key_id, new_secret())
    await connection.execute(ROTATE_KEY_IF_LIVE, tenant_id, key_id, token_hash(token), float(grace_seconds))
    return token


INSERT_TENANT = """
INSERT INTO tenants (code, name) VALUES ($1, $2)
ON CONFLICT (code) DO NOTHING
RETURNING id, code, name, created_at
"""


async def insert_tenant(
    connection: Connection, *, code: str, name: str, created_by: str
) -> tuple[asyncpg.Record, asyncpg.Record, str]:
    """Make a tenant and its first admin key: the tenant's row, the key's, and its token. Raises Conflict."""
    tenant = await connection.fetchrow(INSERT_TENANT, code, name)
    if tenant is None:
        raise Conflict(f"there is a tenant {code} already")
    key, token = await insert_key(
        connection,
        tenant["id"],
        name="first admin key",
        principal="admin",
        roles=["admin"],
        grants=[],
        expires_at=None,
        created_by=created_by,
    )
    return tenant, key, token


LIST_TENANTS = """
SELECT code, name, created_at
FROM tenants
WHERE $1::text IS NULL OR code > $1
ORDER BY code
LIMIT $2
"""


async def list_tenants(connection: Connection, *, after: str | None, limit: int) -> list[asyncpg.Record]:
    """All tenants by code, from the one after `after`."""
    return await connection.fetch(LIST_TENANTS, after, limit)


LOCK_TENANT = """
SELECT t.id, t.code, t.name,
       EXISTS (SELECT FROM jobs j WHERE j.tenant_id = t.id) AS has_jobs,
       EXISTS (SELECT FROM job_definitions d WHERE d.tenant_id = t.id) AS has_definitions
FROM tenants t
WHERE t.code = $1
FOR UPDATE OF t
"""
# Its keys go with it; of what else names the tenant, files are purged, dues go here, and the audit stays.
DELETE_TENANT = """
WITH gone AS (DELETE FROM dovuti WHERE tenant_id = $1)
DELETE FROM tenants WHERE id = $1
"""


async def delete_tenant(connection: Connection, code: str) -> asyncpg.Record:
    """Delete a tenant that has neither jobs nor definitions; gives its row. Raises NotFound and Conflict."""
    tenant = await connection.fetchrow(LOCK_TENANT, code)
    if tenant is None:
        raise NotFound("no such tenant")
    if tenant["code"] == DEFAULT_TENANT:
        raise Conflict(f"the tenant {code} cannot be deleted")
    if tenant["has_jobs"] or tenant["has_definitions"]:
        raise Conflict(f"the tenant {code} still has {'jobs' if tenant['has_jobs'] else 'definitions'}")
    await connection.execute(DELETE_TENANT, tenant["id"])
    return tenant


# The setting is the operator's word: it also brings back a key that was revoked, or given less, by the API.
ENSURE_ADMIN_KEY = """
INSERT INTO keys (id, tenant_id, name, principal, roles, grants, created_by, secret_hash)
SELECT $1, t.id, 'LAVORI_ADMIN_KEY', 'admin', ARRAY['admin'], ARRAY[$2], 'LAVORI_ADMIN_KEY', $3
FROM tenants t WHERE t.code = $4
ON CONFLICT (secret_hash) DO UPDATE SET
    tenant_id = excluded.tenant_id, principal = excluded.principal,
    roles = excluded.roles, grants = excluded.grants,
    expires_at = NULL, revoked_at = NULL
"""


async def ensure_admin_key(connection: Connection, secret: str) -> None:
    """Make the key of LAVORI_ADMIN_KEY exist and be good, however many do so at once. Raises SettingsError."""
    if not may_be_a_token(secret):
        raise SettingsError(
            ("LAVORI_ADMIN_KEY must be 20 to 512 printable characters, and no mistyped key of Lavori's own",)
        )
    await connection.execute(
        ENSURE_ADMIN_KEY, uuid7(), Permission.TENANTS, token_hash(secret), DEFAULT_TENANT
    )
