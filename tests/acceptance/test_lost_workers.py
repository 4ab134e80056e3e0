"""Workers that die, freeze, block or are told to go: every job ends once, and no two attempts both commit."""

import asyncio
import random
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from uuid import UUID

import asyncpg
import pytest

import engine_jobs
from ledger import (
    add,
    add_many,
    outcomes_of,
    row_of,
    seconds_between,
    until_none_left,
    until_row,
    until_status,
)
from service.jobs.claims import CRASHES_ALLOWED
from service.settings import Settings
from worker_process import WorkerProcess


@contextmanager
def running_workers(settings: Settings, count: int) -> Iterator[list[WorkerProcess]]:
    with ExitStack() as stack:
        yield [stack.enter_context(WorkerProcess(settings)) for _ in range(count)]


@pytest.fixture
async def effects(pool: asyncpg.Pool) -> None:
    await pool.execute(engine_jobs.CREATE_EFFECTS)


async def assert_all_ended_once(pool: asyncpg.Pool) -> None:
    """Exactly one terminal end a job, in the ledger and in its history."""
    ended = await pool.fetch("""
        SELECT jobs.id, jobs.status, jobs.error ->> 'code' AS code,
               count(*) FILTER (WHERE outcome = 'finished') AS finished,
               count(*) FILTER (WHERE outcome = 'lost') AS lost,
               count(*) AS claims, max(jobs.claim) AS claim
        FROM jobs JOIN attempts ON attempts.job_id = jobs.id GROUP BY jobs.id
    """)
    assert len(ended) == await pool.fetchval("SELECT count(*) FROM jobs")
    for row in ended:
        assert row["claims"] == row["claim"], dict(row)
        if row["status"] == "finished":
            assert (row["finished"], row["lost"]) == (1, row["claims"] - 1), dict(row)
        else:
            assert (row["status"], row["code"], row["finished"]) == ("failed", "worker_lost", 0), dict(row)
            assert row["lost"] == row["claims"] >= CRASHES_ALLOWED


async def assert_no_step_was_done_twice(pool: asyncpg.Pool, steps: int) -> None:
    assert await pool.fetch("SELECT job_id, step FROM effects GROUP BY 1, 2 HAVING count(*) > 1") == []
    short = """
        SELECT jobs.id FROM jobs LEFT JOIN effects ON effects.job_id = jobs.id
        WHERE jobs.type = 'effects' AND jobs.status = 'finished' GROUP BY jobs.id HAVING count(effects) <> $1
    """
    assert await pool.fetch(short, steps) == []


async def test_workers_killed_at_random_leave_every_job_ended_once(
    pool: asyncpg.Pool, settings: Settings, effects: None
) -> None:
    await add_many(pool, 200, "effects", {"steps": 3, "seconds": 0.3})
    await add_many(pool, 200, "wait", {"seconds": 0.3})
    dice = random.Random(11)
    with running_workers(settings, 4) as workers:
        for kill in range(10):
            ended = "SELECT count(*) FROM jobs WHERE terminated_at IS NOT NULL"
            async with asyncio.timeout(20):
                while await pool.fetchval(ended) < 20 * (kill + 1):
                    await asyncio.sleep(0.02)
            dice.choice(workers).kill_and_start_again()
        await until_none_left(pool, seconds=settings.lease_seconds + settings.sweep_seconds + 20)
    await assert_all_ended_once(pool)
    await assert_no_step_was_done_twice(pool, steps=3)
    assert await pool.fetchval("SELECT count(*) FROM attempts WHERE outcome = 'lost'") > 0


async def test_a_worker_killed_twenty_times_leaves_every_job_ended_once(
    pool: asyncpg.Pool, settings: Settings, effects: None
) -> None:
    await add_many(pool, 40, "effects", {"steps": 4, "seconds": 0.6})
    running = "SELECT count(*) FROM jobs WHERE status = 'running' AND worker_id LIKE '%-' || $1::text || '-%'"
    with WorkerProcess(replace(settings, worker_concurrency=10)) as worker:
        for _ in range(20):
            async with asyncio.timeout(20):
                while not await pool.fetchval(running, str(worker.pid)):
                    if not await pool.fetchval("SELECT count(*) FROM jobs WHERE terminated_at IS NULL"):
                        break
                    await asyncio.sleep(0.02)
            worker.kill_and_start_again()
        await until_none_left(pool, seconds=60)
    await assert_all_ended_once(pool)
    await assert_no_step_was_done_twice(pool, steps=4)


async def test_a_job_of_a_killed_worker_runs_again_within_lease_and_sweep(
    pool: asyncpg.Pool, settings: Settings
) -> None:
    job_id = await add(pool, "wait", {"seconds": 10.0})
    with WorkerProcess(settings) as first:
        await until_status(pool, job_id, "running")
        with WorkerProcess(settings):
            await wait_for_workers(pool, 2)
            first.signal(signal.SIGKILL)
            killed_at = await pool.fetchval("SELECT now()")
            row = await until_row(pool, job_id, lambda row: row["claim"] == 2)
            assert (
                seconds_between(killed_at, row["claimed_at"])
                < settings.lease_seconds + settings.sweep_seconds + 0.5
            )
    assert await outcomes_of(pool, job_id) == [(1, 1, "lost")]


async def wait_for_workers(pool: asyncpg.Pool, count: int) -> None:
    async with asyncio.timeout(20):
        while await pool.fetchval("SELECT count(*) FROM workers") < count:
            await asyncio.sleep(0.02)


@pytest.mark.usefixtures("invariants")
@pytest.mark.fault(
    "F24", "jobs that end their worker (os._exit, and SIGKILL as out of memory), beside twelve others"
)
async def test_a_job_that_takes_its_worker_down_fails_and_harms_no_other(
    pool: asyncpg.Pool, settings: Settings
) -> None:
    others = [await add(pool, "wait", {"seconds": 5.0}) for _ in range(4)]
    poisons = [await add(pool, "crash"), await add(pool, "crash", {"as_if_memory_were_out": True})]
    others += [await add(pool, "wait", {"seconds": 0.4}) for _ in range(8)]
    with WorkerProcess(settings) as worker:
        async with asyncio.timeout(60):
            while await pool.fetchval("SELECT count(*) FROM jobs WHERE terminated_at IS NULL"):
                worker.start_again_if_ended()
                await asyncio.sleep(0.05)
    for poison in poisons:
        row = await row_of(pool, poison)
        assert row["status"] == "failed"
        assert '"worker_lost"' in row["error"]
        assert [outcome for _, _, outcome in await outcomes_of(pool, poison)] == ["lost"] * CRASHES_ALLOWED
    for job_id in others:
        assert (await row_of(pool, job_id))["status"] == "finished"


LAG = "SELECT value FROM metric_sums WHERE sample = 'event_loop_lag_seconds_sum' AND labels LIKE '%worker%'"


@pytest.mark.usefixtures("invariants")
@pytest.mark.fault("F23", "a job type that keeps the event loop from turning for two leases")
async def test_a_job_that_blocks_the_loop_for_two_leases_keeps_its_lease(
    pool: asyncpg.Pool, settings: Settings
) -> None:
    with WorkerProcess(settings), WorkerProcess(settings):
        await wait_for_workers(pool, 2)
        job_id = await add(pool, "busy", {"seconds": 2 * settings.lease_seconds})
        row = await until_row(pool, job_id, lambda row: row["terminated_at"])
        async with asyncio.timeout(10):  # a metric tells of it
            while (await pool.fetchval(LAG) or 0.0) < 2 * settings.lease_seconds - 0.5:
                await asyncio.sleep(0.1)
    assert (row["status"], row["claim"]) == ("finished", 1)


@pytest.mark.usefixtures("invariants")
@pytest.mark.fault("F20", "SIGTERM of a worker with a job that ends in time")
async def test_a_job_on_a_worker_that_is_told_to_go_is_finished_in_time(
    pool: asyncpg.Pool, settings: Settings
) -> None:
    job_id = await add(pool, "wait", {"seconds": 1.0})
    with WorkerProcess(settings) as worker:
        await until_status(pool, job_id, "running")
        worker.signal(signal.SIGTERM)
        assert worker.exit_code(10) == 0, worker.said
    assert await outcomes_of(pool, job_id) == [(1, 1, "finished")]


@pytest.mark.usefixtures("invariants")
@pytest.mark.fault("F20", "SIGTERM of a worker with a job that outlives the drain time")
async def test_a_job_that_outlives_the_drain_time_is_handed_back_uncounted_and_runs_elsewhere(
    pool: asyncpg.Pool, settings: Settings
) -> None:
    job_id = await add(pool, "wait", {"seconds": 60, "steps": 600})
    with WorkerProcess(settings) as first:
        await until_status(pool, job_id, "running")
        with WorkerProcess(settings):
            await wait_for_workers(pool, 2)
            first.signal(signal.SIGTERM)
            assert first.exit_code(10) == 0, first.said
            row = await until_row(pool, job_id, lambda row: row["claim"] == 2 and row["status"] == "running")
    (ended,) = await pool.fetch("SELECT * FROM attempts WHERE job_id = $1", job_id)
    assert (ended["outcome"], ended["attempt"]) == ("handed_back", 1)
    assert seconds_between(ended["ended_at"], row["claimed_at"]) < 1
    assert (row["attempt"], row["crashes"]) == (1, 0)


@pytest.mark.usefixtures("invariants")
@pytest.mark.fault("F22", "SIGSTOP of a worker for two leases, then SIGCONT")
async def test_a_worker_that_was_frozen_for_two_leases_changes_nothing_when_it_wakes(
    pool: asyncpg.Pool, settings: Settings, effects: None
) -> None:
    steps = 8
    jobs: list[UUID] = [await add(pool, "effects", {"steps": steps, "seconds": 4.0}) for _ in range(5)]
    with WorkerProcess(settings) as first:
        for job_id in jobs:
            await until_row(pool, job_id, lambda row: row["percent_completed"] > 0)
        first.signal(signal.SIGSTOP)
        with WorkerProcess(settings):
            await asyncio.sleep(2 * settings.lease_seconds)
            rows = [await until_row(pool, job_id, lambda row: row["claim"] == 2) for job_id in jobs]
            first.signal(signal.SIGCONT)
            await until_none_left(pool)
            assert not first.ended(), first.said
        taken_over = {row["worker_id"] for row in rows}
    assert len(taken_over) == 1
    for job_id in jobs:
        row = await row_of(pool, job_id)
        assert (row["status"], row["claim"], row["output"]) == ("finished", 2, "2")
        assert row["worker_id"] in taken_over
        assert await outcomes_of(pool, job_id) == [(1, 1, "lost"), (1, 1, "finished")]
    await assert_no_step_was_done_twice(pool, steps)
    assert await pool.fetchval("SELECT count(DISTINCT claim) FROM effects") == 2


async def test_a_worker_that_freezes_in_a_fenced_block_delays_its_job_no_longer_than_another_lease(
    pool: asyncpg.Pool, settings: Settings, effects: None
) -> None:
    job_id = await add(pool, "frozen", {"diary": str(settings.data / "diary")})
    with WorkerProcess(settings) as first:
        async with asyncio.timeout(10):
            while not (settings.data / "diary").exists():
                await asyncio.sleep(0.02)
        with WorkerProcess(settings):
            row = await until_status(pool, job_id, "finished", seconds=2 * settings.lease_seconds + 5)
            first.signal(signal.SIGCONT)
            await asyncio.sleep(1)
    assert (row["output"], row["claim"]) == ("claim 2", 2)
    assert await row_of(pool, job_id) == row
    assert [one["claim"] for one in await pool.fetch("SELECT claim FROM effects")] == [2]
