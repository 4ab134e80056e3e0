"""Connections: how long callers wait for one is told, by whatever way they ask."""

import asyncio

from service.db.pool import create_pool


async def test_every_wait_for_a_connection_is_told_in_seconds(database_url: str) -> None:
    waits: list[float] = []
    pool = await create_pool(database_url, size=1, on_wait=waits.append)
    try:
        assert await pool.fetchval("SELECT 1") == 1
        async with pool.acquire() as connection:
            assert len(waits) == 2
            second = asyncio.create_task(pool.fetchval("SELECT 2"))
            await connection.execute("SELECT pg_sleep(0.2)")
            assert len(waits) == 2
        assert await second == 2
        assert len(waits) == 3
        assert waits[1] < 0.1 < waits[2]
    finally:
        await pool.close()
