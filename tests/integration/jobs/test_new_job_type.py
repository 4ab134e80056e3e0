"""The row that is inserted, and the type of PostgreSQL that carries it."""

import asyncpg

from service.jobs.store import NewJob

ATTRIBUTES = """
SELECT attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relname = 'new_job' AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


async def test_the_type_has_the_fields_of_a_new_job_in_their_order(pool: asyncpg.Pool) -> None:
    assert tuple(row["attname"] for row in await pool.fetch(ATTRIBUTES)) == NewJob._fields
