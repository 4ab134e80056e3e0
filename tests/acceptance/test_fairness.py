"""Which of many waiting jobs a real worker starts first: by priority, by age, by tag, and in turns of tenants."""

import asyncio
from dataclasses import replace
from uuid import UUID

import asyncpg
import redis.asyncio
from aiohttp import ClientSession

from asking import ask, other_tenant
from ledger import add, seconds_between, until_none_left, until_row
from service.settings import Settings
from worker_process import OwnRedis, WorkerProcess

BACKLOG = 5_000
STARTED = "SELECT id FROM jobs WHERE started_at IS NOT NULL ORDER BY started_at, id"


async def submit(
    api: ClientSession, count: int = 1, headers: dict[str, str] | None = None, **job: object
) -> list[UUID]:
    """Submit so many jobs that take no time, by batches."""
    ids: list[UUID] = []
    body = {"type": "wait", **job}
    for start in range(0, count, 1_000):
        answer = await ask(
            api, "POST", "/api/jobs/batch", json=[body] * min(1_000, count - start), headers=headers
        )
        assert answer.status == 207, answer
        ids += [UUID(one["job"]["id"]) for one in answer.body]
    return ids


async def age(pool: asyncpg.Pool, seconds: int, *job_ids: UUID) -> None:
    """Let jobs be due since so long ago."""
    await pool.execute(
        "UPDATE jobs SET due_at = due_at - make_interval(secs => $1) WHERE id = ANY ($2)", seconds, job_ids
    )


async def order(pool: asyncpg.Pool) -> list[UUID]:
    await until_none_left(pool, seconds=60)
    return [row["id"] for row in await pool.fetch(STARTED)]


async def test_jobs_start_in_the_order_that_explain_has_told(
    api: ClientSession, pool: asyncpg.Pool, settings: Settings
) -> None:
    other = await other_tenant(api)
    jobs: list[tuple[UUID, dict[str, str] | None]] = []
    for priority in ("low", "critical", "default", "high", "medium"):
        for headers in (None, None, other, None):
            (job_id,) = await submit(api, headers=headers, priority=priority)
            jobs.append((job_id, headers))
    told = {}
    for job_id, headers in jobs:
        answer = await ask(api, "GET", f"/api/jobs/{job_id}/explain", headers=headers)
        assert answer.body["reason"] == "no_worker"
        told[job_id] = answer.body["position"]
    # Without a worker only its own type counts, and all are of one: the place is the same with one.
    with WorkerProcess(replace(settings, worker_concurrency=1)):
        started = await order(pool)
    assert sorted(told.values()) == list(range(1, len(jobs) + 1))
    assert started == sorted(told, key=told.__getitem__)


async def test_a_low_job_is_started_although_critical_ones_keep_coming(
    api: ClientSession, pool: asyncpg.Pool, settings: Settings
) -> None:
    fresh = await add(pool, "wait", priority=0)
    await submit(api, 30, priority="critical", args={"seconds": 0.1})
    with WorkerProcess(replace(settings, worker_concurrency=1)):
        await until_row(pool, fresh, lambda _: True)
        coming = asyncio.create_task(keep_coming(api))
        try:
            # Passed over for four minutes and more, in a lane that nobody has looked at yet.
            aged = await add(pool, "wait", priority=0, worker_tag="elsewhere")
            await age(pool, 250, aged)
            row = await until_row(pool, aged, lambda row: row["started_at"], seconds=10)
            still = await pool.fetchval(
                "SELECT count(*) FROM jobs WHERE priority = 4 AND status = 'pending' AND created_at < $1",
                row["started_at"],
            )
            assert still > 0, "there was no more urgent job"
            assert (await until_row(pool, fresh, lambda _: True))["started_at"] is None
        finally:
            coming.cancel()
            await asyncio.wait([coming])


async def keep_coming(api: ClientSession) -> None:
    """More critical jobs than the worker can do."""
    while True:
        await submit(api, 2, priority="critical", args={"seconds": 0.1})
        await asyncio.sleep(0.1)


async def test_an_old_backlog_does_not_outweigh_priority(
    api: ClientSession, pool: asyncpg.Pool, settings: Settings
) -> None:
    backlog = [await add(pool, "wait", {"seconds": 0.05}) for _ in range(40)]
    await age(pool, 3_600, *backlog)
    with WorkerProcess(replace(settings, worker_concurrency=1)):
        await until_row(pool, backlog[0], lambda row: row["started_at"])
        for code, priority in (("urgent", "critical"), ("plain", "default")):
            (urgent,) = await submit(api, headers=await other_tenant(api, code), priority=priority)
            row = await until_row(pool, urgent, lambda row: row["started_at"])
            assert seconds_between(row["created_at"], row["started_at"]) < 0.5
            assert await pool.fetchval("SELECT count(*) FROM jobs WHERE status = 'pending'") > 0


async def test_a_tag_that_no_worker_takes_blocks_nobody_and_is_explained(
    api: ClientSession, pool: asyncpg.Pool, settings: Settings
) -> None:
    (tagged,) = await submit(api, priority="critical", worker_tag="gpu")
    plain = await submit(api, 20)
    with WorkerProcess(replace(settings, worker_concurrency=1), {"LAVORI_WORKER_TAGS": "cpu"}):
        for job_id in plain:
            await until_row(pool, job_id, lambda row: row["terminated_at"])
        explained = await ask(api, "GET", f"/api/jobs/{tagged}/explain")
        assert explained.body["reason"] == "no_worker_with_tag"
        assert "gpu" in explained.body["detail"]
        with WorkerProcess(replace(settings, worker_concurrency=1), {"LAVORI_WORKER_TAGS": "!gpu"}):
            await until_row(pool, tagged, lambda row: row["terminated_at"])


async def test_one_tenants_backlog_does_not_delay_anothers_single_job_not_even_after_a_flush_of_redis(
    api_on_own_redis: ClientSession, pool: asyncpg.Pool, on_own_redis: Settings, own_redis: OwnRedis
) -> None:
    api = api_on_own_redis
    other = await other_tenant(api)
    await submit(api, BACKLOG, args={"seconds": 0.01})
    waited = []
    with WorkerProcess(replace(on_own_redis, worker_concurrency=10)):
        async with asyncio.timeout(20):
            while not await pool.fetchval("SELECT count(*) FROM jobs WHERE terminated_at IS NOT NULL"):
                await asyncio.sleep(0.02)
        for turn in range(6):
            if turn == 3:
                async with redis.asyncio.Redis.from_url(own_redis.url) as client:
                    await client.flushall()
            (single,) = await submit(api, headers=other)
            row = await until_row(pool, single, lambda row: row["started_at"])
            waited.append(seconds_between(row["created_at"], row["started_at"]))
        assert await pool.fetchval("SELECT count(*) FROM jobs WHERE status = 'pending'") > 0, "all was done"
        assert max(waited) < 1.5, waited
        await until_none_left(pool, seconds=60)
    assert (
        await pool.fetchval("SELECT count(*) FROM jobs WHERE status = 'finished' AND claim = 1")
        == BACKLOG + 6
    )
