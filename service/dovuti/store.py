"""Reading dues."""

from uuid import UUID

import asyncpg

from service.db.connection import Executor

# The notice number's bounds, and not an OR with null, keep this on the index whether or not one is asked for.
DOVUTI = """
SELECT service_id, notice_number, iuv, amount::text AS amount, reason, to_char(created_at, 'YYYY-MM-DD') AS created_at,
       to_char(expire_at, 'YYYY-MM-DD') AS expire_at, payer_type, payer_tax_identification_number, payer_name,
       payer_email, job_id
FROM dovuti
WHERE tenant_id = $1 AND service_id = $2 AND notice_number > $3
  AND notice_number BETWEEN coalesce($4, '') AND coalesce($4, '~')
  AND ($5::text IS NULL OR payer_tax_identification_number = $5)
ORDER BY notice_number
LIMIT $6
"""


async def dovuti(
    connection: Executor,
    tenant_id: int,
    service_id: UUID,
    *,
    after: str,
    notice_number: str | None,
    payer: str | None,
    limit: int,
) -> list[asyncpg.Record]:
    """At most `limit` dues of a service by notice number, from behind `after`; of one number or payer, when named."""
    return await connection.fetch(DOVUTI, tenant_id, service_id, after, notice_number, payer, limit)


COUNT = """
SELECT count(*)
FROM dovuti
WHERE tenant_id = $1 AND service_id = $2 AND notice_number BETWEEN coalesce($3, '') AND coalesce($3, '~')
  AND ($4::text IS NULL OR payer_tax_identification_number = $4)
"""


async def count(
    connection: Executor, tenant_id: int, service_id: UUID, *, notice_number: str | None, payer: str | None
) -> int:
    """How many dues there are on all pages."""
    counted: int = await connection.fetchval(COUNT, tenant_id, service_id, notice_number, payer)
    return counted
