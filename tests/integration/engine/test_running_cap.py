"""The cap of running jobs: never passed, by however many workers, with or without Redis; and free places are taken."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from aiohttp import ClientSession
from arq.connections import ArqRedis

from engine_jobs import GATES
from ledger import ANY, add, claim, settle, until_none_left, until_row
from running import running_worker
from service.jobs import claims
from service.jobs.jobtype import JobTypes
from service.jobs.states import Status
from service.settings import Settings

RUNNING = "SELECT count(*) FROM jobs WHERE status = 'running' AND tenant_id = 1"
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
MOST_AT_ONCE = """
SELECT max(at_once) FROM (
    SELECT sum(step) OVER (ORDER BY at, step) AS at_once FROM (
        SELECT started_at AS at, 1 AS step FROM attempts UNION ALL SELECT ended_at, -1 FROM attempts) AS steps) AS sums
"""


async def cap(pool: asyncpg.Pool, running: int | None) -> None:
    caps = "{}" if running is None else f'{{"running": {running}}}'
    await pool.execute("UPDATE tenants SET caps = $1 WHERE id = 1", caps)


async def until_running(pool: asyncpg.Pool, count: int) -> None:
    async with asyncio.timeout(15):
        while await pool.fetchval(RUNNING) != count:
            await asyncio.sleep(0.01)


async def test_one_claim_of_many_takes_as_many_as_fit_the_most_urgent_first(pool: asyncpg.Pool) -> None:
    await cap(pool, 2)
    low, high, medium = [await add(pool, priority=priority) for priority in (0, 3, 2)]
    wanted = [(job_id, uuid4()) for job_id in (low, high, medium)]
    rows = await claims.claim_pending(pool, wanted, "w", 15, ANY, ["echo"])
    assert [row is not None for row in rows] == [False, True, True]
    assert await claim(pool, low) is None
    assert rows[1] is not None
    assert rows[1]["is_capped"]
    await settle(pool, rows[1], Status.FINISHED)
    assert await claim(pool, low) is not None


async def test_however_many_claim_at_once_the_cap_is_never_passed(pool: asyncpg.Pool) -> None:
    await cap(pool, 3)
    jobs = [await add(pool) for _ in range(40)]
    rows = await asyncio.gather(
        *(
            claims.claim_pending(pool, [(one, uuid4())], f"w{n}", 15, ANY, ["echo"])
            for n, one in enumerate(jobs)
        )
    )
    assert sum(row is not None for (row,) in rows) == 3
    assert await pool.fetchval(RUNNING) == 3


async def test_the_last_place_is_held_from_the_claim_to_its_commit(pool: asyncpg.Pool) -> None:
    await cap(pool, 1)
    first, second = await add(pool), await add(pool)

    async def take(connection: Any, job_id: UUID) -> bool:
        (row,) = await claims.claim_pending(connection, [(job_id, uuid4())], "w", 15, ANY, ["echo"])
        return row is not None

    async with (
        pool.acquire() as one,
        pool.acquire() as other,
        asyncio.TaskGroup() as tasks,
        one.transaction(),
    ):
        assert await take(one, first)
        waiting = tasks.create_task(take(other, second))
        async with asyncio.timeout(10):
            while not await pool.fetchval(WAITS):
                await asyncio.sleep(0.01)
    assert not waiting.result()


async def test_a_job_that_the_worker_does_not_take_holds_no_place(pool: asyncpg.Pool) -> None:
    await cap(pool, 1)
    tagged, plain = await add(pool, priority=4, worker_tag="gpu"), await add(pool)
    wanted = [(job_id, uuid4()) for job_id in (tagged, plain)]
    rows = await claims.claim_pending(pool, wanted, "w", 15, claims.worker_tags(("cpu",)), ["echo"])
    assert [row is not None for row in rows] == [False, True]


async def test_another_tenant_is_not_held_up_by_a_full_one(pool: asyncpg.Pool) -> None:
    await cap(pool, 0)
    other: int = await pool.fetchval("INSERT INTO tenants (code, name) VALUES ('o', 'O') RETURNING id")
    assert await claim(pool, await add(pool)) is None
    row = await claim(pool, await add(pool, tenant_id=other))
    assert row is not None
    assert not row["is_capped"]


async def test_two_workers_run_all_jobs_of_a_capped_tenant_but_never_more_than_its_cap(
    settings: Settings, job_types: JobTypes, pool: asyncpg.Pool, api: ClientSession
) -> None:
    await cap(pool, 3)
    async with running_worker(settings, job_types), running_worker(settings, job_types):
        batch = [{"type": "wait", "args": {"seconds": 0.02}}] * 60
        async with api.post("/api/jobs/batch", json=batch) as response:
            assert response.status == 207
        await until_none_left(pool)
    assert await pool.fetchval(MOST_AT_ONCE) == 3
    assert await pool.fetchval("SELECT count(*) FROM jobs WHERE status = 'finished'") == 60


async def test_a_place_that_comes_free_is_taken_at_once_and_not_by_the_next_sweep(
    settings: Settings, job_types: JobTypes, pool: asyncpg.Pool, api: ClientSession
) -> None:
    await cap(pool, 1)
    gates = [f"place {n}" for n in range(4)]
    async with running_worker(replace(settings, sweep_seconds=3_600), job_types):
        made = []
        for gate in gates:
            async with api.post("/api/jobs", json={"type": "gated", "args": {"gate": gate}}) as response:
                made.append(UUID((await response.json())["id"]))
        for gate, job_id in zip(gates, made, strict=True):
            await until_row(pool, job_id, lambda row: row["status"] == "running")
            assert await pool.fetchval(RUNNING) == 1
            GATES[gate].set()
        await until_none_left(pool)


async def test_a_raised_cap_is_used_within_a_sweep(
    settings: Settings, job_types: JobTypes, pool: asyncpg.Pool, api: ClientSession
) -> None:
    await cap(pool, 1)
    async with running_worker(settings, job_types):
        body = [{"type": "gated", "args": {"gate": "raised"}}] * 6
        async with api.post("/api/jobs/batch", json=body) as response:
            assert response.status == 207
        await until_running(pool, 1)
        await cap(pool, 4)
        await until_running(pool, 4)
        await cap(pool, None)
        await until_running(pool, 6)
        GATES["raised"].set()
        await until_none_left(pool)


async def test_a_long_queue_of_a_capped_tenant_is_not_offered_to_workers_that_would_refuse_it(
    settings: Settings, job_types: JobTypes, pool: asyncpg.Pool, api: ClientSession, redis: ArqRedis
) -> None:
    await cap(pool, 2)
    body = [{"type": "gated", "args": {"gate": "long"}}] * 200
    async with api.post("/api/jobs/batch", json=body) as response:
        assert response.status == 207
    async with running_worker(settings, job_types):
        await until_running(pool, 2)
        assert await redis.zcard("lavori:queue:1:") <= 2
        GATES["long"].set()
        await until_none_left(pool)


async def test_without_redis_the_cap_holds_and_the_queue_goes_on(
    without_redis: Settings, job_types: JobTypes, pool: asyncpg.Pool
) -> None:
    await cap(pool, 2)
    other: int = await pool.fetchval("INSERT INTO tenants (code, name) VALUES ('o', 'O') RETURNING id")
    for _ in range(12):
        await add(pool, "wait", {"seconds": 0.02}, priority=4)
    last = await add(pool, "wait", tenant_id=other)
    async with running_worker(replace(without_redis, worker_concurrency=4), job_types):
        await until_row(pool, last, lambda row: row["terminated_at"])
        await until_none_left(pool)
    assert (
        await pool.fetchval(MOST_AT_ONCE.replace("FROM attempts", f"FROM attempts WHERE job_id <> '{last}'"))
        <= 2
    )
