"""Who starts first, and where: priorities, tags, and nobody blocked by what no worker takes."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest
from arq.connections import ArqRedis

from engine_jobs import GATES
from ledger import add, add_many, row_of, until_none_left, until_row, until_status
from running import running_worker
from service.jobs import queue
from service.jobs.jobtype import JobTypes
from service.jobs.states import PRIORITIES, Priority
from service.settings import Settings
from workers.upkeep import redeliver


@pytest.mark.parametrize("with_redis", [True, False])
async def test_of_two_waiting_jobs_the_more_urgent_one_starts_first(
    pool: asyncpg.Pool,
    settings: Settings,
    without_redis: Settings,
    job_types: JobTypes,
    with_redis: bool,  # noqa: FBT001
) -> None:
    chosen = settings if with_redis else without_redis
    gate = str(uuid4())
    async with running_worker(replace(chosen, worker_concurrency=1), job_types):
        first = await add(pool, "gated", {"gate": gate})
        await until_status(pool, first, "running")
        later = [await add(pool, priority=PRIORITIES.index(one)) for one in Priority]
        await asyncio.sleep(1)  # a sweep offers them
        GATES[gate].set()
        rows = [await until_status(pool, job_id, "finished") for job_id in later]
    started = [row["started_at"] for row in rows]
    assert started == sorted(started, reverse=True)


@pytest.mark.parametrize("with_redis", [True, False])
async def test_a_tagged_job_runs_only_where_its_tag_is(
    pool: asyncpg.Pool,
    settings: Settings,
    without_redis: Settings,
    job_types: JobTypes,
    with_redis: bool,  # noqa: FBT001
) -> None:
    chosen = settings if with_redis else without_redis
    plain, tagged, other = (
        await add(pool),
        await add(pool, worker_tag="a"),
        await add(pool, worker_tag="b"),
    )
    async with running_worker(replace(chosen, worker_tags=("!a",)), job_types):
        await until_status(pool, tagged, "finished")
        await asyncio.sleep(0.8)
        assert (await row_of(pool, plain))["status"] == "pending"
        assert (await row_of(pool, other))["status"] == "pending"
    async with running_worker(replace(chosen, worker_tags=("a",)), job_types):
        await until_status(pool, plain, "finished")
        await asyncio.sleep(0.8)
        assert (await row_of(pool, other))["status"] == "pending"
    async with running_worker(replace(chosen, worker_tags=("*",)), job_types):
        await until_status(pool, other, "finished")


@pytest.mark.parametrize("with_redis", [True, False])
async def test_jobs_that_no_worker_takes_stand_in_nobodys_way(
    pool: asyncpg.Pool,
    settings: Settings,
    without_redis: Settings,
    job_types: JobTypes,
    monkeypatch: pytest.MonkeyPatch,
    with_redis: bool,  # noqa: FBT001
) -> None:
    """More of them than a page or the slots hold, more urgent than the one that is looked for."""
    monkeypatch.setattr(redeliver, "PAGE", 10)
    chosen = replace(settings if with_redis else without_redis, worker_tags=("mine",), worker_concurrency=10)
    for _ in range(15):
        await add(pool, worker_tag="nobodys", priority=4)
        await add(pool, "of_no_installed_type", priority=4)
    mine = await add(pool, priority=0)
    async with running_worker(chosen, job_types):
        await until_status(pool, mine, "finished", seconds=4)


async def test_a_message_that_was_lost_behind_a_long_queue_is_found(
    pool: asyncpg.Pool,
    settings: Settings,
    job_types: JobTypes,
    redis: ArqRedis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redeliver, "PAGE", 10)
    monkeypatch.setattr(redeliver, "WALK_PAGES", 2)
    gate = str(uuid4())
    async with running_worker(replace(settings, worker_concurrency=1), job_types):
        first = await add(pool, "gated", {"gate": gate})
        await until_status(pool, first, "running")
        await add_many(pool, 95)
        async with asyncio.timeout(5):
            while await redis.zcard(lane := queue.LANE.format(priority=1, tag="")) < 95:
                await asyncio.sleep(0.05)
        name = (await redis.zrange(lane, 90, 90))[0].decode()
        await redis.delete(f"arq:job:{name}")
        await redis.zrem(lane, name)
        async with asyncio.timeout(8):
            while await redis.zscore(lane, name) is None:
                await asyncio.sleep(0.05)
        GATES[gate].set()
        await until_none_left(pool)


async def test_after_a_flush_all_are_offered_again_in_one_sweep(
    pool: asyncpg.Pool, settings: Settings, job_types: JobTypes, redis: ArqRedis
) -> None:
    gate = str(uuid4())
    async with running_worker(replace(settings, worker_concurrency=1), job_types):
        first = await add(pool, "gated", {"gate": gate})
        await until_status(pool, first, "running")
        await add_many(pool, 3_500)
        await redis.flushdb()
        async with asyncio.timeout(5):
            while await redis.zcard(queue.LANE.format(priority=1, tag="")) < 3_500:
                await asyncio.sleep(0.05)
        GATES[gate].set()


async def test_a_full_worker_leaves_the_rest_to_others(
    pool: asyncpg.Pool, settings: Settings, job_types: JobTypes
) -> None:
    one = replace(settings, worker_concurrency=3)
    async with running_worker(one, job_types), running_worker(one, job_types):
        gate = str(uuid4())
        jobs = [await add(pool, "gated", {"gate": gate}) for _ in range(6)]
        rows = [await until_status(pool, job_id, "running") for job_id in jobs]
        workers = [row["worker_id"] for row in rows]
        assert sorted(map(workers.count, set(workers))) == [3, 3]
        GATES[gate].set()
        await until_none_left(pool)


async def test_a_worker_with_a_hundred_stale_messages_still_starts_what_is_there(
    pool: asyncpg.Pool, settings: Settings, job_types: JobTypes, redis: ArqRedis
) -> None:
    stale = [await add(pool) for _ in range(100)]
    rows = [await row_of(pool, job_id) for job_id in stale]
    await queue.offer(redis, [queue.Message.of(row) for row in rows])
    await pool.execute("DELETE FROM jobs")
    real = await add(pool)
    async with running_worker(replace(settings, worker_concurrency=2), job_types):
        row = await until_row(pool, real, lambda row: row["terminated_at"])
    assert row["status"] == "finished"
