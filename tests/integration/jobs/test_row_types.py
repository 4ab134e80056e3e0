"""The rows that are sent in batches, and the types of PostgreSQL that carry them."""

from typing import Any

import asyncpg
import pytest

from service.jobs.endings import Settlement
from service.jobs.reports import Message, Report
from service.jobs.store import NewJob

ATTRIBUTES = """
SELECT attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relname = $1 AND relkind = 'c' AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


@pytest.mark.parametrize(
    ("name", "row"),
    [("new_job", NewJob), ("settlement", Settlement), ("report", Report), ("said", Message)],
)
async def test_a_type_has_the_fields_of_its_row_in_their_order(
    pool: asyncpg.Pool, name: str, row: Any
) -> None:
    assert tuple(one["attname"] for one in await pool.fetch(ATTRIBUTES, name)) == row._fields
