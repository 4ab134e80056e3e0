"""Connections: who gets one next, and for how long callers wait, by whatever way they ask."""

import asyncio

import pytest

from service.db.batch import Batcher
from service.db.pool import UNREACHABLE, create_pool
from service.errors import Unavailable


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


async def test_who_finds_no_connection_soon_is_told_so_and_batches_go_first(database_url: str) -> None:
    pool = await create_pool(database_url, size=1, wait_seconds=0.2)
    order: list[str] = []

    async def ask(name: str) -> None:
        assert await pool.fetchval("SELECT 1") == 1
        order.append(name)

    async def flush(items: list[str]) -> list[str]:
        await ask("batch")
        return items

    try:
        async with pool.acquire():
            asking = [asyncio.create_task(ask(name)) for name in "ab"]
            await asyncio.sleep(0)
            batch = Batcher(flush).put("item")
            for _ in range(10):
                await asyncio.sleep(0)
        await asyncio.gather(*asking, batch)
        assert order == ["batch", "a", "b"]
        async with pool.acquire():
            with pytest.raises(Unavailable):
                await pool.fetchval("SELECT 1")
    finally:
        await pool.close()


async def test_a_connection_that_breaks_in_use_makes_room_for_the_next(database_url: str) -> None:
    pool = await create_pool(database_url, size=1, wait_seconds=1)
    try:
        for _ in range(3):
            with pytest.raises(UNREACHABLE):
                async with pool.acquire() as connection:
                    await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        assert await pool.fetchval("SELECT 1") == 1
    finally:
        await pool.close()
