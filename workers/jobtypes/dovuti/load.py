"""Writing a batch of dues within the caller's transaction. The lines are those of rows.copy_line."""

from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

import asyncpg

from service.db.connection import Connection
from workers.jobtypes.dovuti.rows import COLUMNS

ALL_COLUMNS: Final = ("tenant_id", "service_id", "job_id", *COLUMNS)

# Somebody else may be writing the same dues: rather try the batch again than hold its transaction open.
LIMIT_WAITING = "SET LOCAL lock_timeout = '3s'"
CREATE_INCOMING = "CREATE TEMP TABLE incoming (LIKE dovuti) ON COMMIT DROP"

# A due that is the same already is left alone, and still says which job wrote it; xmax is 0 where there was none.
UPSERT = """
WITH written AS (
    INSERT INTO dovuti SELECT * FROM incoming
    ON CONFLICT (tenant_id, service_id, notice_number) DO UPDATE
    SET iuv = excluded.iuv, amount = excluded.amount, reason = excluded.reason, created_at = excluded.created_at,
        expire_at = excluded.expire_at, payer_type = excluded.payer_type,
        payer_tax_identification_number = excluded.payer_tax_identification_number,
        payer_name = excluded.payer_name, payer_email = excluded.payer_email, job_id = excluded.job_id
    WHERE (dovuti.iuv, dovuti.amount, dovuti.reason, dovuti.created_at, dovuti.expire_at, dovuti.payer_type,
           dovuti.payer_tax_identification_number, dovuti.payer_name, dovuti.payer_email)
        IS DISTINCT FROM
          (excluded.iuv, excluded.amount, excluded.reason, excluded.created_at, excluded.expire_at, excluded.payer_type,
           excluded.payer_tax_identification_number, excluded.payer_name, excluded.payer_email)
    RETURNING xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new) FROM written
"""


async def write(connection: Connection, lines: bytes) -> int:
    """Write dues, each over one of the same notice number; answers how many are new."""
    await _bring(connection, lines)
    added: int = await connection.fetchval(UPSERT)
    return added


INSERT_ABSENT = """
INSERT INTO dovuti SELECT * FROM incoming ON CONFLICT (tenant_id, service_id, notice_number) DO NOTHING
RETURNING notice_number
"""


async def write_if_absent(connection: Connection, lines: bytes) -> set[str]:
    """Write the dues whose notice number is not there yet; answers these notice numbers."""
    await _bring(connection, lines)
    return {row[0] for row in await connection.fetch(INSERT_ABSENT)}


async def write_absent(connection: Connection, lines: bytes) -> None:
    """Write dues of which none is there yet, twice as fast as in the other ways; UniqueViolationError where one is."""
    await connection.execute(LIMIT_WAITING)
    await _copy(connection, "dovuti", lines)


async def _bring(connection: Connection, lines: bytes) -> None:
    await connection.execute(LIMIT_WAITING)
    await connection.execute(CREATE_INCOMING)
    await _copy(connection, "incoming", lines)


async def _copy(connection: Connection, table: str, lines: bytes) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield lines

    await connection.copy_to_table(table, source=source(), columns=ALL_COLUMNS, format="text", null="")


PRESENT = """
SELECT notice_number FROM dovuti WHERE tenant_id = $1 AND service_id = $2 AND notice_number = ANY ($3::text[])
"""


async def present(connection: asyncpg.Pool, tenant_id: int, service_id: UUID, notices: list[str]) -> set[str]:
    """Which of these notice numbers a service has a due of."""
    return {row[0] for row in await connection.fetch(PRESENT, tenant_id, service_id, notices)}


SAVE_DUPLICATES = "INSERT INTO dovuti_duplicates (job_id, run, last_row, rows) VALUES ($1, $2, $3, $4)"


async def save_duplicates(
    connection: Connection, job_id: UUID, run: int, last_row: int, rows: list[int]
) -> None:
    """Remember which rows of a batch were refused, as their dues were there; commits with the caller's transaction."""
    await connection.execute(SAVE_DUPLICATES, job_id, run, last_row, rows)


DUPLICATES = "SELECT rows FROM dovuti_duplicates WHERE job_id = $1 AND run = $2 AND last_row = $3"


async def duplicates(connection: asyncpg.Pool, job_id: UUID, run: int, last_row: int) -> set[int]:
    """The rows of a batch that `save_duplicates` remembers."""
    return set(await connection.fetchval(DUPLICATES, job_id, run, last_row) or ())
