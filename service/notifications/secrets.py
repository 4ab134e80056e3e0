"""The secrets that webhooks are signed with: sealed in PostgreSQL, several live ones while one is being rotated."""

from collections.abc import Sequence
from uuid import UUID

from uuid_utils.compat import uuid7

from service.db.connection import Connection, Executor
from service.notifications.webhook import new_secret
from service.sealing import Sealer

LIVE = """
SELECT id, sealed FROM webhook_secrets
WHERE tenant_id = $1 AND endpoint_id IS NOT DISTINCT FROM $2 AND (expires_at IS NULL OR expires_at > now())
ORDER BY expires_at DESC NULLS FIRST
"""


async def live_secrets(
    connection: Executor, sealer: Sealer, tenant_id: int, endpoint_id: UUID | None
) -> Sequence[str]:
    """The secrets of an endpoint, or those for the webhook_url of the tenant's jobs; the current one first.

    Those for jobs come into being when they are first needed. Raises Unsealable.
    """
    rows = await connection.fetch(LIVE, tenant_id, endpoint_id)
    if not rows and endpoint_id is None:
        await add_secret(connection, sealer, tenant_id, None)
        rows = await connection.fetch(LIVE, tenant_id, endpoint_id)
    return [sealer.open(row["sealed"], _place(row["id"])) for row in rows]


ADD = """
INSERT INTO webhook_secrets (id, tenant_id, endpoint_id, sealed) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, endpoint_id) WHERE expires_at IS NULL DO NOTHING
"""


async def add_secret(connection: Executor, sealer: Sealer, tenant_id: int, endpoint_id: UUID | None) -> str:
    """Make a secret, unless another has just been made; answers it."""
    secret_id, secret = uuid7(), new_secret()
    sealed = sealer.seal(secret, _place(secret_id))
    await connection.execute(ADD, secret_id, tenant_id, endpoint_id, sealed)
    return secret


# Who rotates at the same time waits here, and then retires what the other has made.
LOCK = """
SELECT FROM webhook_secrets WHERE tenant_id = $1 AND endpoint_id IS NOT DISTINCT FROM $2 AND expires_at IS NULL
FOR UPDATE
"""
RETIRE = """
WITH gone AS (
    DELETE FROM webhook_secrets
    WHERE tenant_id = $1 AND endpoint_id IS NOT DISTINCT FROM $2 AND expires_at IS NOT NULL
)
UPDATE webhook_secrets SET expires_at = now() + make_interval(secs => $3)
WHERE tenant_id = $1 AND endpoint_id IS NOT DISTINCT FROM $2 AND expires_at IS NULL
"""


async def rotate_secret(
    connection: Connection, sealer: Sealer, tenant_id: int, endpoint_id: UUID | None, grace_seconds: int
) -> str:
    """In a transaction: make a new secret; the former one signs beside it for the grace, older ones no more."""
    await live_secrets(connection, sealer, tenant_id, endpoint_id)
    await connection.execute(LOCK, tenant_id, endpoint_id)
    await connection.execute(RETIRE, tenant_id, endpoint_id, grace_seconds)
    return await add_secret(connection, sealer, tenant_id, endpoint_id)


def _place(secret_id: UUID) -> str:
    return f"webhook_secrets/{secret_id}"
