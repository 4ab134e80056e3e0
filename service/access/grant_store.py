"""Grants of access for an hour (access_tokens.py), by the database's clock and by what their keys are worth now."""

from collections.abc import Sequence
from uuid import UUID

from service.access.access_tokens import SECONDS, SECRET_BYTES, Granted, unpack
from service.access.principal import Principal
from service.access.store import note_use_if_a_minute_old, principal_from
from service.access.tokens import token_hash
from service.db.connection import Connection, Executor

PRINCIPALS_BY_GRANT = """
SELECT asked.place, k.id, k.tenant_id, t.code AS tenant_code, t.caps, t.key_requests_per_minute, k.principal, k.roles,
       k.grants, k.last_used_at IS NULL OR k.last_used_at <= now() - interval '1 minute' AS use_is_news
FROM unnest($1::uuid[], $2::bytea[], $3::bigint[]) WITH ORDINALITY AS asked (key_id, secret, until, place)
JOIN keys k ON k.id = asked.key_id
JOIN tenants t ON t.id = k.tenant_id
WHERE to_timestamp(asked.until) > now() AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
  AND (substr(k.secret_hash, 1, length(asked.secret)) = asked.secret
       OR (substr(k.previous_hash, 1, length(asked.secret)) = asked.secret AND k.previous_until > now()))
"""


async def principals_by_grant(connection: Connection, records: Sequence[bytes]) -> list[Principal | None]:
    """Whose each grant is, in the order asked; None for one that is over, or whose key or secret is."""
    asked = [unpack(record) for record in records]
    rows = await connection.fetch(PRINCIPALS_BY_GRANT, *zip(*asked, strict=True))
    if used := list({row["id"] for row in rows if row["use_is_news"]}):
        await note_use_if_a_minute_old(connection, used)
    found = {row["place"]: principal_from(row) for row in rows}
    return [found.get(place) for place, _ in enumerate(asked, 1)]


UNTIL = "SELECT floor(extract(epoch FROM now()))::bigint + $1"


async def grant(connection: Executor, key_id: UUID, secret: str) -> Granted:
    """A grant from now on, of the key that has this secret."""
    until: int = await connection.fetchval(UNTIL, SECONDS)
    return Granted(key_id, token_hash(secret)[:SECRET_BYTES], until)
