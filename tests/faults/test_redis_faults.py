"""Redis full, and replaced by an old snapshot: hints are lost or stale, jobs are not."""

import asyncio
import signal
from dataclasses import replace

import asyncpg
import pytest
import redis.asyncio

from fault_lab.load import clients_of
from fault_lab.system import running_system
from service.settings import Settings
from worker_process import OwnRedis

STATES = "SELECT id, status, run, claim, version FROM jobs WHERE id = ANY ($1) ORDER BY id"


@pytest.mark.fault(
    "F06",
    "Redis replaced by an old snapshot, with messages of {jobs} jobs that have ended",
    jobs=(200, 5_000),
)
async def test_the_messages_of_an_old_snapshot_change_nothing(
    settings: Settings, pool: asyncpg.Pool, own_redis: OwnRedis, jobs: int
) -> None:
    async with redis.asyncio.Redis.from_url(own_redis.url) as client:
        async with (
            running_system(replace(settings, redis_url=own_redis.url), pool, workers=2) as system,
            clients_of(system) as clients,
        ):
            for worker in system.workers:
                worker.signal(signal.SIGSTOP)
            made = await clients.submit_many(jobs, {"type": "echo"})
            # An offer that a busy machine gave up is made again by workers alone.
            async with asyncio.timeout(20):
                while await client.zcard("lavori:queue:1:") < jobs * 9 // 10:
                    await asyncio.sleep(0.02)
            snapshot = {key: await client.dump(key) for key in await client.keys("*")}
            for worker in system.workers:
                worker.signal(signal.SIGCONT)
            await system.rest(60)
            before = await pool.fetch(STATES, made)
            await client.flushall()
            for key, value in snapshot.items():
                await client.restore(key, 0, value, replace=True)
            await client.publish("lavori:wake", b"1")
            await clients.submit_many(20, {"type": "echo"}, name="after")
            async with asyncio.timeout(60):
                while await client.zcard("lavori:queue:1:"):
                    await asyncio.sleep(0.05)
            await system.check()
            after = await pool.fetch(STATES, made)
        assert after == before


@pytest.mark.fault("F08", "Redis at its maxmemory while {jobs} jobs are submitted", jobs=(200, 5_000))
async def test_a_redis_that_is_full_loses_nothing(
    settings: Settings, pool: asyncpg.Pool, own_redis: OwnRedis, jobs: int
) -> None:
    async with (
        redis.asyncio.Redis.from_url(own_redis.url) as client,
        running_system(replace(settings, redis_url=own_redis.url), pool, workers=2) as system,
        clients_of(system) as clients,
    ):
        await client.config_set("maxmemory", "1")
        await clients.submit_many(jobs, {"type": "echo"})
        assert {one.status for one in system.history.answers} == {201}
        await system.check(60 + jobs / 50)
        await client.config_set("maxmemory", "0")
        await clients.submit_many(20, {"type": "echo"}, name="after")
        await system.check()
