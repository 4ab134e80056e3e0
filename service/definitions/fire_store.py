"""What became of the times of schedules, in PostgreSQL: each of them once."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from service.db.connection import Connection, Executor


class NewFire(NamedTuple):
    """What becomes of one time; `outcome` is a word of the CHECK in schema.sql."""

    at: datetime
    local: str
    policy: str
    outcome: str
    job_id: UUID | None = None
    detail: str | None = None


# A time that was decided before (the expression was changed, and back) stays as it was decided.
RECORD = """
INSERT INTO fires (definition_id, at, local, policy, outcome, job_id, detail)
SELECT $1, at, local, policy, outcome, job_id, detail
FROM unnest($2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::text[])
  AS decided(at, local, policy, outcome, job_id, detail)
ON CONFLICT (definition_id, at) WHERE outcome <> 'left_out' DO NOTHING
RETURNING job_id
"""


async def record_fires(connection: Connection, definition_id: UUID, fires: Sequence[NewFire]) -> set[UUID]:
    """Write what was decided; answers the ids of the jobs that are to be made: nobody has made one for their times."""
    rows = await connection.fetch(RECORD, definition_id, *zip(*fires, strict=True))
    return {row["job_id"] for row in rows if row["job_id"] is not None}


REFUSE = "UPDATE fires SET outcome = 'refused', job_id = NULL, detail = $2 WHERE job_id = $1"


async def refuse_fire(connection: Connection, job_id: UUID, detail: str) -> None:
    """Say that the job of a fire could not be made."""
    await connection.execute(REFUSE, job_id, detail)


DROP_WAITING = """
UPDATE fires SET outcome = 'missed', detail = 'the schedule was changed while it waited', decided_at = now()
WHERE definition_id = $1 AND outcome = 'waiting'
"""


async def drop_waiting(connection: Connection, definition_id: UUID) -> None:
    """Give up the fires that wait for another job to end."""
    await connection.execute(DROP_WAITING, definition_id)


PAGE = """
SELECT id, at, local, policy, outcome, job_id, detail, decided_at FROM fires
WHERE definition_id = $1 AND ($2::text[] IS NULL OR outcome = ANY ($2)) AND ($3::bigint IS NULL OR id < $3)
ORDER BY id DESC LIMIT $4
"""


async def page(
    connection: Executor, definition_id: UUID, outcomes: Sequence[str] | None, before: int | None, limit: int
) -> list[asyncpg.Record]:
    """Fires of a definition, those that were decided last first."""
    rows: list[asyncpg.Record] = await connection.fetch(PAGE, definition_id, outcomes, before, limit)
    return rows


FORGET = """
DELETE FROM fires WHERE id IN (
    SELECT id FROM fires WHERE decided_at < now() - interval '30 days' AND outcome <> 'waiting'
    ORDER BY decided_at LIMIT $1)
"""


async def forget_fires(connection: Executor, limit: int) -> int:
    """Delete up to `limit` fires that were decided a month ago; answers how many."""
    return int((await connection.execute(FORGET, limit)).split()[1])
