"""Redis flushed, stopped, frozen, full, and replaced by an old snapshot: hints are lost or stale, jobs are not."""

import asyncio
import signal
import time
from dataclasses import replace

import asyncpg
import pytest
import redis.asyncio

from fault_lab.load import Clients, clients_of
from fault_lab.system import running_system
from ledger import seconds_between, until_row
from service.settings import Settings
from worker_process import OwnRedis

STATES = "SELECT id, status, run, claim, version FROM jobs WHERE id = ANY ($1) ORDER BY id"


@pytest.mark.fault("F04", "FLUSHALL with {jobs} pending jobs", jobs=(1_000, 5_000))
async def test_after_a_flush_of_redis_every_pending_job_runs(
    settings: Settings, pool: asyncpg.Pool, own_redis: OwnRedis, jobs: int
) -> None:
    async with (
        redis.asyncio.Redis.from_url(own_redis.url) as client,
        running_system(replace(settings, redis_url=own_redis.url), pool) as system,
        clients_of(system) as clients,
    ):
        (worker,) = system.workers
        worker.signal(signal.SIGSTOP)
        await clients.submit_many(jobs, {"type": "echo"})
        async with asyncio.timeout(20):
            while await client.zcard("lavori:queue:1:") < jobs:
                await asyncio.sleep(0.02)
        await client.flushall()
        worker.signal(signal.SIGCONT)
        await system.check(60)
    assert await pool.fetchval("SELECT count(*) FROM jobs WHERE status = 'finished' AND claim = 1") == jobs


async def p99_of_submits(clients: Clients, seconds: float, name: str) -> float:
    """How long submits take, some 20 a second; each is answered by 201 at once."""
    at, end = len(clients.history.answers), time.monotonic() + seconds
    number = 0
    while time.monotonic() < end:
        number += 1
        await clients.ask("submit", "POST", "/api/jobs", key=f"{name}{number}", json={"type": "echo"})
        await asyncio.sleep(0.05)
    made = clients.history.answers[at:]
    assert {one.status for one in made} == {201}
    return sorted(one.seconds for one in made)[int(len(made) * 0.99)]


WAITED = "SELECT extract(epoch FROM started_at - due_at)::float8 FROM jobs ORDER BY 1 DESC LIMIT 1"


@pytest.mark.fault(
    "F05",
    "Redis stopped for {seconds} s under submits, whose p99 stays below {times} times that of {seconds} s before",
    seconds=(4, 60),
    times=(50, 2),  # on a busy machine only a wait for Redis is told from noise
)
async def test_while_redis_is_stopped_jobs_are_taken_and_started_and_then_arq_is_taken_up_again(
    settings: Settings, pool: asyncpg.Pool, own_redis: OwnRedis, seconds: int, times: int
) -> None:
    async with (
        running_system(
            replace(settings, redis_url=own_redis.url), pool, environ={"LAVORI_LOG_LEVEL": "info"}
        ) as system,
        clients_of(system) as clients,
    ):
        usual = await p99_of_submits(clients, seconds, "before")
        own_redis.stop()
        at = len(clients.history.answers)
        slow = await p99_of_submits(clients, seconds, "while")
        assert max(one.seconds for one in clients.history.answers[at:]) < 1
        assert slow < times * usual, f"{slow * 1_000:.1f} ms instead of {usual * 1_000:.1f} ms"
        await system.rest(10)
        waited = await pool.fetchval(WAITED)
        assert waited < settings.sweep_seconds + 1.5, "jobs did not go on starting within a sweep"
        own_redis.start()
        async with asyncio.timeout(10):
            while "redis is back" not in system.workers[0].said:
                await asyncio.sleep(0.1)
        await until_quick(clients, pool)
        await system.check()
        assert system.started_again == 0


async def until_quick(clients: Clients, pool: asyncpg.Pool) -> None:
    """Wait until jobs start as fast as only a hint by Redis makes them start; five in a row are no chance."""
    number, quick = 0, 0
    async with asyncio.timeout(15):
        while quick < 5:
            number += 1
            job_id = await clients.submit(f"again{number}", {"type": "echo"})
            row = await until_row(pool, job_id, lambda row: row["terminated_at"], seconds=5)
            quick = quick + 1 if seconds_between(row["created_at"], row["started_at"]) < 0.1 else 0


@pytest.mark.fault("F07", "Redis frozen (SIGSTOP) under 300 submits")
async def test_while_redis_is_frozen_submits_stay_fast_and_jobs_go_on_starting(
    settings: Settings, pool: asyncpg.Pool, own_redis: OwnRedis
) -> None:
    async with (
        running_system(replace(settings, redis_url=own_redis.url), pool) as system,
        clients_of(system) as clients,
    ):
        await until_quick(clients, pool)
        at = len(clients.history.answers)
        own_redis.signal(signal.SIGSTOP)
        try:
            await clients.submit_many(100, {"type": "echo"}, name="single", at_once=1)
            await clients.submit_many(200, {"type": "echo"}, name="together", at_once=200)
            made = clients.history.answers[at:]
            assert {one.status for one in made} == {201}
            assert sorted(one.seconds for one in made)[-3] < 1
            assert (await clients.ask("livez", "GET", "/livez")).status == 200
            await system.rest(25)
        finally:
            own_redis.signal(signal.SIGCONT)
        await until_quick(clients, pool)
        await system.check()


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
            # A key whose time is over meanwhile has none.
            snapshot = {key: told for key in await client.keys("*") if (told := await client.dump(key))}
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
