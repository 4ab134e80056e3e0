"""One worker is ordered to drain and to resume, while real workers run jobs."""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
from aiohttp import ClientSession

from ledger import add_many, row_of, seconds_between, until_none_left, until_row, until_status
from service.settings import Settings
from worker_process import OwnRedis, WorkerProcess


async def workers_of(api: ClientSession) -> list[dict[str, Any]]:
    async with api.get("/api/workers") as response:
        assert response.status == 200
        listed: list[dict[str, Any]] = (await response.json())["workers"]
        return listed


async def until_shown(
    api: ClientSession, process: WorkerProcess, condition: Callable[[dict[str, Any]], object] = bool
) -> dict[str, Any]:
    """Poll the list until it shows this process, and the condition holds of it."""
    async with asyncio.timeout(60):
        while True:
            for one in await workers_of(api):
                if f"-{process.pid}-" in one["id"] and condition(one):
                    return one
            await asyncio.sleep(0.02)


async def order(api: ClientSession, worker_id: str, action: str) -> dict[str, Any]:
    async with api.post(f"/api/workers/{worker_id}/{action}") as response:
        told: dict[str, Any] = await response.json()
        assert response.status == 200, told
        return told


async def drained(api: ClientSession, process: WorkerProcess) -> str:
    """Order it, and wait until it has heard; answers its id."""
    worker_id: str = (await until_shown(api, process))["id"]
    assert (await order(api, worker_id, "drain"))["drain_requested_at"] is not None
    await until_shown(api, process, lambda one: one["draining"])
    return worker_id


async def submit(api: ClientSession, count: int, seconds: float = 0.02) -> list[UUID]:
    jobs = [{"type": "wait", "args": {"seconds": seconds}}] * count
    async with api.post("/api/jobs/batch", json=jobs) as response:
        return [UUID(one["job"]["id"]) for one in await response.json()]


BEATS_SELDOM = 15.0  # a lease with which a worker beats each 3.75 s
TAKEN_BY = (
    "SELECT worker_id, count(*) FROM jobs WHERE created_at > $1 AND claimed_at IS NOT NULL GROUP BY worker_id"
)
NOW = "SELECT clock_timestamp()"


async def test_a_drained_worker_finishes_what_it_has_takes_nothing_new_and_takes_jobs_when_resumed(
    api: ClientSession, pool: asyncpg.Pool, settings: Settings
) -> None:
    with WorkerProcess(settings) as one, WorkerProcess(settings) as other:
        first, second = [(await until_shown(api, process))["id"] for process in (one, other)]
        await drained(api, other)
        (under_way,) = await submit(api, 1, seconds=6)
        await until_status(pool, under_way, "running")
        await order(api, second, "resume")
        await drained(api, one)
        began = await pool.fetchval(NOW)
        for _ in range(5):
            await submit(api, 40)
            await asyncio.sleep(0.1)
        assert (await row_of(pool, under_way))["status"] == "running"
        await until_none_left(pool)
        assert {row["worker_id"]: row["count"] for row in await pool.fetch(TAKEN_BY, began)} == {second: 200}
        row = await row_of(pool, under_way)
        assert (row["status"], row["claim"], row["worker_id"]) == ("finished", 1, first)
        longest = "SELECT max(started_at - due_at) FROM jobs WHERE created_at > $1"
        assert (await pool.fetchval(longest, began)).total_seconds() < 3, "nothing is held by who is drained"

        rested = await until_shown(api, one, lambda shown: shown["running"] == 0)
        await until_shown(api, one, lambda shown: shown["beat_at"] > rested["beat_at"])
        assert not one.ended()

        await order(api, first, "resume")
        await until_shown(api, one, lambda shown: not shown["draining"])
        await drained(api, other)
        began = await pool.fetchval(NOW)
        await submit(api, 40)
        await until_none_left(pool)
        assert {row["worker_id"]: row["count"] for row in await pool.fetch(TAKEN_BY, began)} == {first: 40}


async def assert_it_rests_and_wakes(api: ClientSession, pool: asyncpg.Pool, process: WorkerProcess) -> None:
    """Drained it takes nothing for three sweeps; resumed it takes all within a second."""
    worker_id = await drained(api, process)
    await submit(api, 10)
    await asyncio.sleep(1.5)
    assert await pool.fetchval("SELECT count(*) FROM jobs WHERE status = 'pending'") == 10
    resumed_at = await pool.fetchval(NOW)
    told = await order(api, worker_id, "resume")
    assert told["drain_requested_at"] is None
    await until_none_left(pool)
    last = await pool.fetchval("SELECT max(claimed_at) FROM jobs")
    assert seconds_between(resumed_at, last) < 1


async def test_without_another_worker_jobs_wait_and_start_within_a_second_when_it_is_resumed(
    api: ClientSession, pool: asyncpg.Pool, settings: Settings
) -> None:
    with WorkerProcess(replace(settings, lease_seconds=BEATS_SELDOM)) as worker:
        await until_shown(api, worker)
        async with asyncio.timeout(2):  # heard by the hint, not by the next beat
            await drained(api, worker)
        await assert_it_rests_and_wakes(api, pool, worker)


async def test_orders_reach_a_worker_that_claims_from_postgresql_while_redis_is_away(
    api_on_own_redis: ClientSession, pool: asyncpg.Pool, on_own_redis: Settings, own_redis: OwnRedis
) -> None:
    with WorkerProcess(replace(on_own_redis, lease_seconds=BEATS_SELDOM)) as worker:
        await until_shown(api_on_own_redis, worker)
        own_redis.stop()
        await add_many(pool, 1, "wait")
        await until_none_left(pool)
        await pool.execute("DELETE FROM jobs")
        await assert_it_rests_and_wakes(api_on_own_redis, pool, worker)


LAST_BEAT = "SELECT beat_at FROM workers"


async def test_an_order_whose_hint_went_by_while_redis_was_away_is_read_when_it_is_back(
    api_on_own_redis: ClientSession, pool: asyncpg.Pool, on_own_redis: Settings, own_redis: OwnRedis
) -> None:
    with WorkerProcess(replace(on_own_redis, lease_seconds=BEATS_SELDOM)) as worker:
        shown = await until_shown(api_on_own_redis, worker)
        own_redis.stop()
        await until_shown(api_on_own_redis, worker, lambda one: one["beat_at"] != shown["beat_at"])
        before = await pool.fetchval(LAST_BEAT)
        await order(api_on_own_redis, shown["id"], "drain")
        own_redis.start()
        await until_shown(api_on_own_redis, worker, lambda one: one["draining"])
        assert seconds_between(before, await pool.fetchval(LAST_BEAT)) < 3, "sooner than the next beat"


async def test_resuming_does_not_undo_a_shutdown_that_has_begun(
    api: ClientSession, pool: asyncpg.Pool, settings: Settings
) -> None:
    with WorkerProcess(replace(settings, drain_seconds=10)) as worker:
        await until_shown(api, worker)
        (under_way,) = await submit(api, 1, seconds=3)
        await until_status(pool, under_way, "running")
        worker_id = await drained(api, worker)
        worker.signal(signal.SIGTERM)
        await order(api, worker_id, "resume")
        waiting = await submit(api, 5)
        assert await asyncio.to_thread(worker.exit_code, 15) == 0, worker.said
    row = await row_of(pool, under_way)
    assert (row["status"], row["claim"]) == ("finished", 1)
    assert {(await row_of(pool, one))["status"] for one in waiting} == {"pending"}
    (ended,) = await workers_of(api)
    assert (ended["draining"], ended["drain_requested_at"]) == (True, None)


async def test_a_worker_that_is_started_again_has_no_order(
    api: ClientSession, pool: asyncpg.Pool, settings: Settings
) -> None:
    with WorkerProcess(settings) as worker:
        former = await drained(api, worker)
        (job_id,) = await submit(api, 1)
        worker.kill_and_start_again()
        row = await until_row(pool, job_id, lambda one: one["status"] == "finished", seconds=60)
        assert row["worker_id"] != former
