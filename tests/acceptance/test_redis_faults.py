"""Redis flushed, stopped and frozen: nothing is lost, submits stay fast, and jobs go on starting."""

import asyncio
import signal
import time
from uuid import UUID

import asyncpg
import pytest
import redis.asyncio
from aiohttp import ClientSession

from ledger import row_of, seconds_between, until_none_left, until_row
from service.settings import Settings
from worker_process import OwnRedis, WorkerProcess


async def submit(api: ClientSession) -> tuple[float, UUID]:
    """Submit a job; answers how long that took, and its id."""
    began = time.monotonic()
    async with api.post("/api/jobs", json={"type": "echo", "args": {"n": 1}}) as response:
        made = await response.json()
        assert response.status == 201, made
    return time.monotonic() - began, UUID(made["id"])


@pytest.mark.fault("F04", "FLUSHALL with 1,000 pending jobs")
async def test_after_a_flush_of_redis_every_pending_job_runs(
    api_on_own_redis: ClientSession, pool: asyncpg.Pool, on_own_redis: Settings, own_redis: OwnRedis
) -> None:
    await asyncio.gather(*(submit(api_on_own_redis) for _ in range(1_000)))
    async with redis.asyncio.Redis.from_url(own_redis.url) as client:
        async with asyncio.timeout(10):
            while await client.zcard("lavori:queue:1:") < 1_000:
                await asyncio.sleep(0.02)
        await client.flushall()
    with WorkerProcess(on_own_redis):
        await until_none_left(pool)
    assert await pool.fetchval("SELECT count(*) FROM jobs WHERE status = 'finished' AND claim = 1") == 1_000


@pytest.mark.fault("F05", "Redis stopped for 10 s under submits")
async def test_while_redis_is_stopped_jobs_are_taken_and_started_and_then_arq_is_taken_up_again(
    api_on_own_redis: ClientSession, pool: asyncpg.Pool, on_own_redis: Settings, own_redis: OwnRedis
) -> None:
    with WorkerProcess(on_own_redis) as worker:
        _, first = await submit(api_on_own_redis)
        await until_row(pool, first, lambda row: row["terminated_at"])
        own_redis.stop()
        jobs, took = [], []
        end = time.monotonic() + 10
        while time.monotonic() < end:
            seconds, job_id = await submit(api_on_own_redis)
            took.append(seconds)
            jobs.append(job_id)
            await asyncio.sleep(0.05)
        waited = []
        for job_id in jobs:
            row = await until_row(pool, job_id, lambda row: row["terminated_at"], seconds=5)
            waited.append(seconds_between(row["created_at"], row["started_at"]))
        assert max(took) < 1
        assert max(waited) < 3, "jobs did not go on starting"
        own_redis.start()
        async with asyncio.timeout(10):
            while "redis is back" not in worker.said and not await is_quick(api_on_own_redis, pool):
                await asyncio.sleep(0.2)
        assert not worker.ended(), worker.said


async def is_quick(api: ClientSession, pool: asyncpg.Pool) -> bool:
    """Whether a job starts as fast as only a hint by Redis makes it start."""
    _, job_id = await submit(api)
    row = await until_row(pool, job_id, lambda row: row["terminated_at"], seconds=5)
    return seconds_between(row["created_at"], row["started_at"]) < 0.1


@pytest.mark.fault("F07", "Redis frozen (SIGSTOP) under 300 submits")
async def test_while_redis_is_frozen_submits_stay_fast_and_jobs_go_on_starting(
    api_on_own_redis: ClientSession, pool: asyncpg.Pool, on_own_redis: Settings, own_redis: OwnRedis
) -> None:
    with WorkerProcess(on_own_redis):
        _, first = await submit(api_on_own_redis)
        await until_row(pool, first, lambda row: row["terminated_at"])
        own_redis.signal(signal.SIGSTOP)
        try:
            made = [await submit(api_on_own_redis) for _ in range(100)]
            made += await asyncio.gather(*(submit(api_on_own_redis) for _ in range(200)))
            assert sorted(seconds for seconds, _ in made)[-3] < 1
            async with api_on_own_redis.get("/livez") as response:
                assert response.status == 200
            await until_none_left(pool, seconds=25)
        finally:
            own_redis.signal(signal.SIGCONT)
        async with asyncio.timeout(10):
            while not await is_quick(api_on_own_redis, pool):
                await asyncio.sleep(0.2)
    assert (await row_of(pool, first))["status"] == "finished"


async def test_when_redis_stops_a_limit_of_requests_holds_on_and_what_was_used_stays_used(
    api_on_own_redis: ClientSession, own_redis: OwnRedis
) -> None:
    async def statuses(count: int) -> list[int]:
        found = []
        for _ in range(count):
            async with api_on_own_redis.get("/api/me") as response:
                found.append(response.status)
        return found

    async with api_on_own_redis.patch("/api/tenant", json={"caps": {"requests_per_minute": 6}}) as response:
        assert response.status == 200
    assert await statuses(4) == [200] * 4
    own_redis.stop()
    assert await statuses(6) == [200] * 2 + [429] * 4
    own_redis.start()
    assert 200 not in await statuses(3)
