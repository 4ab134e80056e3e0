"""A job that is run again just as its time is over: it runs, or it is gone, and its caller is told which."""

import asyncio

import asyncpg
import pytest
from aiohttp import ClientSession

from ledger import add, claim, row_of, settle
from service.jobs.purge import purge_batch

OVER = "UPDATE jobs SET purge_at = now() - interval '1 second' WHERE id = $1"


@pytest.mark.fault("G2", "rerun racing purge {times} times", times=(100, 1_000))
async def test_of_a_rerun_and_a_purge_one_wins_and_the_caller_is_told_the_truth(
    api: ClientSession, pool: asyncpg.Pool, times: int
) -> None:
    answers = set()
    for n in range(times):
        job_id = await add(pool)
        row = await claim(pool, job_id)
        assert row is not None
        await settle(pool, row, "finished")
        await pool.execute(OVER, job_id)

        async def purge(n: int = n) -> None:
            await asyncio.sleep((n % 10) / 2_000)
            async with pool.acquire() as connection, connection.transaction():
                await purge_batch(connection, None)

        async def rerun(job_id: object = job_id) -> int:
            async with api.post(f"/api/jobs/{job_id}/rerun") as response:
                await response.read()
                return response.status

        async with asyncio.timeout(10):
            status, _ = await asyncio.gather(rerun(), purge())
        answers.add(status)
        if status == 200:
            assert (await row_of(pool, job_id))["status"] == "pending"
            await pool.execute("DELETE FROM jobs WHERE id = $1", job_id)
        else:
            assert status == 404
            assert await pool.fetchval("SELECT count(*) FROM jobs WHERE id = $1", job_id) == 0
    assert answers == {200, 404}, "the race was not run from both sides"
