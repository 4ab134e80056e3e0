"""A row that goes must not cost a look at every row of another table."""

import asyncpg

# An index may leave out rows without the key: those refer to nothing.
WITHOUT_INDEX = """
SELECT conrelid::regclass || ' (' || attname || ')'
FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
WHERE contype = 'f' AND confrelid::regclass::text IN ('jobs', 'outputs', 'links', 'outbox')
  AND NOT EXISTS (SELECT FROM pg_index
                  WHERE indrelid = conrelid AND indkey[0] = conkey[1]
                    AND (indpred IS NULL OR pg_get_expr(indpred, indrelid) = '(' || attname || ' IS NOT NULL)'))
"""


async def test_what_belongs_to_a_job_is_found_by_an_index_when_the_job_goes(pool: asyncpg.Pool) -> None:
    assert [row[0] for row in await pool.fetch(WITHOUT_INDEX)] == []
