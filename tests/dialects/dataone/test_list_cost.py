"""Data One: what a page of the list reads, where an order has an index in parts."""

from typing import Any

import asyncpg
import orjson
import pytest

from filling import fill
from plans import blocks, rows_read
from service.dialects.dataone.statements import FILTERS, ORDERS
from service.jobs.listing import PLAN

MANY = 20_000
VARY = """
UPDATE jobs SET status = CASE WHEN number % 3 = 0 THEN 'cancelled' ELSE 'finished' END,
    percent_completed = CASE WHEN number % 3 = 0 THEN 0 ELSE 100 END,
    type = CASE number % 2 WHEN 0 THEN 'echo' ELSE 'sleep' END
"""
# An autovacuum under way would keep from VACUUM what VARY leaves.
ALONE = "ALTER TABLE jobs SET (autovacuum_enabled = off)"
TYPES: dict[str, tuple[list[Any], list[Any]]] = {
    "status": ([], []),
    "workflowTemplateId": (["echo", "sleep"], [7, 3]),
    "workflowTemplateName": (["echo", "sleep"], ["an echo", "a nap"]),
    "workflowTemplateRevision": (["echo", "sleep"], [1, 1]),
}


@pytest.mark.parametrize("sign", ["-", ""])
async def test_a_page_by_status_or_by_a_fact_of_types_reads_a_page_of_each(
    pool: asyncpg.Pool, sign: str
) -> None:
    await fill(pool, MANY)
    await pool.execute(ALONE)
    await pool.execute(VARY)
    await pool.execute("VACUUM ANALYZE jobs")
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        await connection.execute(PLAN)
        for name, facts in TYPES.items():
            order = ORDERS[f"{sign}{name}"]
            given = (None, None, *[None] * len(FILTERS))
            of_types = facts if order.fact else ()

            async def page(limit: int, position: list[Any], explain: str = "") -> Any:
                asked = (1, limit, *given, *position, *of_types)  # noqa: B023 - called in this turn
                return await connection.fetch(f"{explain} {order.statement}", *asked)  # noqa: B023

            begin: list[Any] = [None] * len(order.columns)
            last = (await page(MANY - 2_000, begin))[-1]
            first, deep = [
                orjson.loads((await page(101, at, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)"))[0][0])[0][
                    "Plan"
                ]
                for at in (begin, [last[column] for column in order.columns])
            ]
            assert 2 * 101 <= rows_read(first) <= 4 * 101, name  # of both tables, for each of two values
            assert 2 * 101 <= rows_read(deep) <= 4 * 101, name
            assert blocks(deep) <= blocks(first) + 20, name
