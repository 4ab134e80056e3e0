"""Sessions of the dashboard, and tickets to them, in PostgreSQL. All times are the database's."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from service.access.access_tokens import SECONDS
from service.access.principal import Principal
from service.access.store import note_use_if_a_minute_old, principal_from
from service.access.tokens import new_session_token, token_hash
from service.db.connection import Connection

SESSION_SECONDS = 7 * 86_400
PERSON_SECONDS = SECONDS
"""Of a session that a provider has vouched for: what it says of somebody is asked anew after this time."""
TICKET_SECONDS = 3_600
MOST_OF_A_KEY = 50
"""Whoever has a key, or a login, may make sessions without end; the oldest go."""

# A session of a key that is good no more has no tenant of its own, and so no row.
PRINCIPALS_BY_SESSION = """
SELECT asked.hash, k.id, t.id AS tenant_id, t.code AS tenant_code, t.caps, t.key_requests_per_minute,
       coalesce(k.principal, s.principal) AS principal, coalesce(k.roles, s.roles) AS roles,
       coalesce(k.grants, '{}') AS grants,
       k.id IS NOT NULL AND (k.last_used_at IS NULL OR k.last_used_at <= now() - interval '1 minute') AS use_is_news
FROM unnest($1::bytea[]) AS asked (hash)
JOIN sessions s ON s.token_hash = asked.hash AND NOT s.is_ticket AND s.expires_at > now()
LEFT JOIN keys k ON k.id = s.key_id AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
JOIN tenants t ON t.id = coalesce(k.tenant_id, s.tenant_id)
"""


async def principals_by_session(connection: Connection, hashes: Sequence[bytes]) -> list[Principal | None]:
    """Whose each session is, in the order asked; None for one that is unknown or over, or whose key is."""
    rows = await connection.fetch(PRINCIPALS_BY_SESSION, list(set(hashes)))
    if used := [row["id"] for row in rows if row["use_is_news"]]:
        await note_use_if_a_minute_old(connection, used)
    found = {row["hash"]: principal_from(row) for row in rows}
    return [found.get(one) for one in hashes]


INSERT_SESSION = """
INSERT INTO sessions (token_hash, key_id, tenant_id, principal, roles, is_ticket, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))
RETURNING expires_at
"""
# A row that another transaction is just deleting is skipped, so that no two wait for each other.
CLEAR_SESSIONS = """
DELETE FROM sessions WHERE token_hash IN (
    SELECT token_hash FROM sessions
    WHERE expires_at <= now()
       OR token_hash IN (SELECT token_hash FROM sessions WHERE key_id = $1 ORDER BY created_at DESC OFFSET $4)
       OR token_hash IN (SELECT token_hash FROM sessions WHERE tenant_id = $2 AND principal = $3
                         ORDER BY created_at DESC OFFSET $4)
    LIMIT 1000 FOR UPDATE SKIP LOCKED)
"""


async def insert_session(
    connection: Connection, caller: Principal, seconds: int, *, is_ticket: bool = False
) -> tuple[str, datetime]:
    """Begin a session of the caller's key, or of the person where there is none; or make a ticket to one of the key.

    Gives its token, which is kept nowhere, and its end. What is over goes at the same time, and what is beyond
    `MOST_OF_A_KEY`.
    """
    token = new_session_token()
    whose: tuple[UUID | None, int | None, str | None] = (caller.key_id, None, None)
    if caller.key_id is None:
        whose = (None, caller.tenant_id, caller.name)
    roles = caller.roles if caller.key_id is None else None
    expires_at: datetime = await connection.fetchval(
        INSERT_SESSION, token_hash(token), *whose, roles, is_ticket, float(seconds)
    )
    await connection.execute(CLEAR_SESSIONS, *whose, MOST_OF_A_KEY)
    return token, expires_at


USE_TICKET_IF_NEW = """
DELETE FROM sessions s USING keys k, tenants t
WHERE s.token_hash = $1 AND s.is_ticket AND s.expires_at > now() AND k.id = s.key_id AND t.id = k.tenant_id
  AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
RETURNING k.id, k.tenant_id, t.code AS tenant_code, t.caps, t.key_requests_per_minute, k.principal, k.roles, k.grants
"""


async def use_ticket_if_new(connection: Connection, ticket: str) -> Principal | None:
    """Use a ticket up: the caller it stands for; None when it is unknown, used or over, or its key is."""
    row = await connection.fetchrow(USE_TICKET_IF_NEW, token_hash(ticket))
    return None if row is None else principal_from(row)


DELETE_SESSION = """
DELETE FROM sessions
WHERE token_hash = $1 AND NOT is_ticket
  AND (key_id = $2 OR ($2::uuid IS NULL AND tenant_id = $3 AND principal = $4))
RETURNING true
"""


async def delete_session(connection: Connection, token: str, caller: Principal) -> bool:
    """End a session of the caller's; False when there is none."""
    whose = (caller.key_id, caller.tenant_id, caller.name)
    return bool(await connection.fetchval(DELETE_SESSION, token_hash(token), *whose))


DELETE_SESSIONS_OF_KEY = "DELETE FROM sessions WHERE key_id = $1"


async def delete_sessions_of_key(connection: Connection, key_id: UUID) -> None:
    """End all sessions of a key, and its tickets: what a key that got into wrong hands has begun ends with it."""
    await connection.execute(DELETE_SESSIONS_OF_KEY, key_id)
