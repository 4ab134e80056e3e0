"""Cancelling: the callers are told the truth, and a job that runs hears of it within a second."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from arq.connections import ArqRedis

from engine_jobs import GATES
from ledger import add, claim, outcomes_of, row_of, seconds_between, settle, until_row, until_status
from running import running_worker
from service.app import create_app
from service.jobs import queue
from service.jobs.jobtype import JobTypes
from service.settings import Settings


async def cancel(api: ClientSession, job_id: object) -> int:
    async with api.post(f"/api/jobs/{job_id}/cancel") as response:
        await response.read()
        return response.status


@pytest.mark.usefixtures("invariants")
@pytest.mark.fault("G1", "cancel racing finish {times} times", times=(200, 1_000))
async def test_of_cancelling_and_finishing_one_wins_and_both_are_told_the_truth(
    api: ClientSession, pool: asyncpg.Pool, times: int
) -> None:
    answers = set()
    for n in range(times):
        job_id = await add(pool)
        row = await claim(pool, job_id)
        assert row is not None

        async def finish(row: asyncpg.Record = row, n: int = n) -> asyncpg.Record | None:
            await asyncio.sleep((n % 10) / 2_000)
            return await settle(pool, row, "finished")

        status, settled = await asyncio.gather(cancel(api, job_id), finish())
        now = await row_of(pool, job_id)
        answers.add(status)
        assert settled is not None  # a request to cancel takes no lease away
        assert now["status"] == "finished"
        assert now["percent_completed"] == 100
        if status == 202:
            assert now["cancel_requested_at"] is not None
        else:
            assert status == 409
            assert now["cancel_requested_at"] is None
    assert answers == {202, 409}, "the race was not run from both sides"


async def test_of_cancelling_and_claiming_one_wins_and_both_are_told_the_truth(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    answers = set()
    for n in range(200):
        job_id = await add(pool)

        async def take(job_id: UUID = job_id, n: int = n) -> asyncpg.Record | None:
            await asyncio.sleep((n % 10) / 2_000)
            return await claim(pool, job_id)

        status, claimed = await asyncio.gather(cancel(api, job_id), take())
        now = await row_of(pool, job_id)
        answers.add(status)
        assert (status, now["status"]) == ((202, "running") if claimed else (200, "cancelled"))
        assert now["percent_completed"] < 100
    assert answers == {200, 202}, "the race was not run from both sides"


async def test_a_cancelled_job_with_attempts_left_is_not_tried_again(pool: asyncpg.Pool) -> None:
    for outcome in ("failed", "timed_out", "handed_back"):
        job_id = await add(pool, max_attempts=5)
        row = await claim(pool, job_id)
        assert row is not None
        await pool.execute("UPDATE jobs SET cancel_requested_at = now() WHERE id = $1", job_id)
        settled = await settle(pool, row, "pending", outcome=outcome, next_attempt=outcome != "handed_back",
                               error='{"code": "x", "message": "y", "retryable": true}')  # fmt: skip
        assert settled is not None
        assert settled["status"] == "cancelled"
        now = await row_of(pool, job_id)
        assert (now["status"], now["error"], now["attempt"]) == ("cancelled", None, 1)
        assert now["terminated_at"] is not None
        assert await outcomes_of(pool, job_id) == [(1, 1, outcome)]


async def test_a_failing_job_that_is_cancelled_in_time_ends_cancelled(
    api: ClientSession, pool: asyncpg.Pool, worker: asyncio.Event
) -> None:
    gate = str(uuid4())
    job_id = await add(pool, "fails", {"gate": gate}, max_attempts=100)
    await until_status(pool, job_id, "running")
    answer, _ = await asyncio.gather(cancel(api, job_id), asyncio.to_thread(lambda: None))
    GATES[gate].set()
    assert answer == 202
    assert (await until_row(pool, job_id, lambda row: row["terminated_at"]))["status"] == "cancelled"


@pytest.fixture
async def api_without_redis(without_redis: Settings, job_types: JobTypes) -> AsyncIterator[ClientSession]:
    async with TestServer(create_app(without_redis, job_types)) as server:
        headers = {"Authorization": f"Bearer {without_redis.admin_key}"}
        async with ClientSession(server.make_url("/"), headers=headers) as session:
            yield session


async def test_a_running_job_is_cancelled_within_a_second(
    api: ClientSession, pool: asyncpg.Pool, worker: asyncio.Event
) -> None:
    await the_running_job_is_cancelled_within_a_second(api, pool, most=0.4)


async def test_a_running_job_is_cancelled_within_a_second_without_redis(
    api_without_redis: ClientSession, pool: asyncpg.Pool, without_redis: Settings, job_types: JobTypes
) -> None:
    async with running_worker(without_redis, job_types):
        await the_running_job_is_cancelled_within_a_second(api_without_redis, pool, most=1.0)


async def the_running_job_is_cancelled_within_a_second(
    api: ClientSession, pool: asyncpg.Pool, most: float
) -> None:
    for _ in range(3):
        job_id = await add(pool, "forever")
        await until_row(pool, job_id, lambda row: row["running_output"], seconds=20)
        assert await cancel(api, job_id) == 202
        row = await until_status(pool, job_id, "cancelled")
        assert seconds_between(row["cancel_requested_at"], row["terminated_at"]) < most
        assert await outcomes_of(pool, job_id) == [(1, 1, "cancelled")]


async def test_a_hint_that_nobody_stands_behind_cancels_nothing(
    pool: asyncpg.Pool, redis: ArqRedis, worker: asyncio.Event
) -> None:
    gate = str(uuid4())
    job_id = await add(pool, "gated", {"gate": gate})
    await until_status(pool, job_id, "running")
    for data in (str(job_id), "no uuid", b"\xff\xfe", ""):
        assert await redis.publish(queue.CANCEL, data) == 1
    await asyncio.sleep(0.8)
    GATES[gate].set()
    assert (await until_row(pool, job_id, lambda row: row["terminated_at"]))["status"] == "finished"


async def test_a_stubborn_job_is_abandoned_after_the_grace_and_cannot_write(
    api: ClientSession, pool: asyncpg.Pool, worker: asyncio.Event
) -> None:
    job_id = await add(pool, "stubborn", {"seconds": 3})
    await until_status(pool, job_id, "running")
    await asyncio.sleep(0.2)
    assert await cancel(api, job_id) == 202
    row = await until_status(pool, job_id, "cancelled", seconds=3)
    assert 0.5 <= seconds_between(row["cancel_requested_at"], row["terminated_at"]) < 1.6
    await asyncio.sleep(3)
    assert await row_of(pool, job_id) == row


async def test_a_job_that_holds_the_worker_itself_up_is_taken_away_after_the_grace(
    api: ClientSession, pool: asyncpg.Pool, settings: Settings, job_types: JobTypes
) -> None:
    """The loop of its worker does not turn, so somebody else must end it."""
    job_id = await add(pool)
    row = await claim(pool, job_id, "hangs", lease_seconds=3_600)
    assert row is not None
    async with running_worker(settings, job_types):
        assert await cancel(api, job_id) == 202
        ended = await until_status(pool, job_id, "cancelled", seconds=10)
        assert seconds_between(ended["cancel_requested_at"], ended["terminated_at"]) < 5
    assert await settle(pool, row, "finished") is None


async def test_hundred_percent_means_finished_and_nothing_else(pool: asyncpg.Pool) -> None:
    for status in ("finished", "failed", "cancelled", "pending"):
        job_id = await add(pool)
        row = await claim(pool, job_id)
        assert row is not None
        await settle(pool, row, status, percent=99)
        now = await row_of(pool, job_id)
        assert (now["percent_completed"] == 100) == (status == "finished")


async def test_a_worker_with_other_settings_goes_on_after_a_cancelled_job(
    api: ClientSession, pool: asyncpg.Pool, settings: Settings, job_types: JobTypes
) -> None:
    async with running_worker(replace(settings, worker_concurrency=1), job_types):
        held = await add(pool, "forever")
        await until_status(pool, held, "running")
        after = await add(pool)
        assert await cancel(api, held) == 202
        await until_status(pool, after, "finished")
