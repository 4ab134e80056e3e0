"""Attempts: how often, how long after one another, how they are told; and when a job starts at all."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import uuid4

import asyncpg
import pytest
from aiohttp import ClientSession

from engine_jobs import GATES
from ledger import add, outcomes_of, row_of, seconds_between, until_row, until_status
from running import job, running_worker, until
from service.jobs.jobtype import JobTypes
from service.settings import Settings


async def test_a_retryable_failure_is_tried_again_and_counted(
    pool: asyncpg.Pool, worker: asyncio.Event
) -> None:
    job_id = await add(pool, "flaky", {"failures": 2}, max_attempts=5)
    row = await until_status(pool, job_id, "finished")
    assert (row["attempt"], row["claim"], row["output"]) == (3, 3, "attempt 3")
    assert await outcomes_of(pool, job_id) == [(1, 1, "failed"), (1, 2, "failed"), (1, 3, "finished")]


async def test_attempts_that_are_used_up_fail_the_job_with_its_own_error(
    pool: asyncpg.Pool, worker: asyncio.Event
) -> None:
    job_id = await add(pool, "flaky", {"failures": 9}, max_attempts=3)
    row = await until_row(pool, job_id, lambda row: row["terminated_at"])
    assert (row["status"], row["attempt"]) == ("failed", 3)
    assert '"not_yet"' in row["error"]
    assert row["output"] == "attempt 3 is not the one"


async def test_the_pause_between_attempts_grows(pool: asyncpg.Pool, worker: asyncio.Event) -> None:
    job_id = await add(pool, "flaky", {"failures": 4}, max_attempts=5)
    await until_status(pool, job_id, "finished")
    attempts = await pool.fetch("SELECT * FROM attempts WHERE job_id = $1 ORDER BY claim", job_id)
    for number, (one, two) in enumerate(pairwise(attempts)):
        least = 0.05 * 2**number / 2
        assert least - 0.002 <= seconds_between(one["ended_at"], two["started_at"]) < 2 * least + 0.7


async def test_a_timeout_is_a_failed_try_and_is_tried_again(
    pool: asyncpg.Pool, worker: asyncio.Event
) -> None:
    job_id = await add(pool, "wait", {"seconds": 30}, timeout_seconds=1, max_attempts=2)
    row = await until_row(pool, job_id, lambda row: row["terminated_at"])
    assert row["status"] == "failed"
    assert '"timed_out"' in row["error"]
    assert await outcomes_of(pool, job_id) == [(1, 1, "timed_out"), (1, 2, "timed_out")]
    attempts = await pool.fetch("SELECT * FROM attempts WHERE job_id = $1", job_id)
    for attempt in attempts:
        assert 1 <= seconds_between(attempt["started_at"], attempt["ended_at"]) < 1.8


async def test_suspended_jobs_wait_until_they_are_resumed(
    api: ClientSession, pool: asyncpg.Pool, settings: Settings, job_types: JobTypes
) -> None:
    held, plain = await add(pool), await add(pool)
    async with api.post(f"/api/jobs/{held}/suspend") as response:
        assert response.status == 200
    async with running_worker(settings, job_types):
        await until_status(pool, plain, "finished")
        await asyncio.sleep(1)
        assert (await row_of(pool, held))["status"] == "suspended"
        async with api.post(f"/api/jobs/{held}/resume") as response:
            assert response.status == 200
        await until_status(pool, held, "finished", seconds=2)


async def test_a_rerun_keeps_the_id_and_the_earlier_attempts(
    api: ClientSession, pool: asyncpg.Pool, worker: asyncio.Event
) -> None:
    job_id = await add(pool, "flaky", {"failures": 1}, max_attempts=2)
    await until_status(pool, job_id, "finished")
    async with api.post(f"/api/jobs/{job_id}/rerun") as response:
        assert response.status == 200, await response.text()
    row = await until_row(pool, job_id, lambda row: row["run"] == 2 and row["terminated_at"])
    assert (row["status"], row["attempt"], row["claim"]) == ("finished", 2, 4)
    async with api.get(f"/api/jobs/{job_id}/attempts") as response:
        attempts = (await response.json())["attempts"]
    assert [(one["run"], one["attempt"], one["claim"], one["outcome"]) for one in attempts] == [
        (1, 1, 1, "failed"),
        (1, 2, 2, "finished"),
        (2, 1, 3, "failed"),
        (2, 2, 4, "finished"),
    ]


@pytest.mark.alone
async def test_a_job_starts_at_its_time_and_not_before(
    api: ClientSession, pool: asyncpg.Pool, worker: asyncio.Event
) -> None:
    run_at = datetime.now(UTC) + timedelta(seconds=1.5)
    async with api.post("/api/jobs", json={"type": "echo", "run_at": run_at.isoformat()}) as response:
        made = await response.json()
        assert response.status == 201
    ended = await until(api, made["id"], "finished")
    late = seconds_between(run_at, datetime.fromisoformat(ended["started_at"]))
    assert -0.002 <= late < 0.6


@pytest.mark.parametrize("hours", [-1, 1])
@pytest.mark.fault("F25", "a machine whose clock is wrong starts jobs by the database's")
async def test_a_machine_whose_clock_is_wrong_starts_jobs_by_the_databases_clock(
    pool: asyncpg.Pool,
    settings: Settings,
    job_types: JobTypes,
    monkeypatch: pytest.MonkeyPatch,
    hours: int,
) -> None:
    """Only this process's idea of the time is wrong: of its lease thread and of its consumer alike."""
    import time  # noqa: PLC0415

    true = time.time
    monkeypatch.setattr("time.time", lambda: true() + 3_600 * hours)
    async with running_worker(settings, job_types):
        now = await pool.fetchval("SELECT now()")
        soon = await add(pool, run_at=now + timedelta(seconds=3))
        at_once = await add(pool)
        await until_status(pool, at_once, "finished", seconds=3)
        row = await until_status(pool, soon, "finished", seconds=6)
        assert 0 <= seconds_between(row["due_at"], row["started_at"]) < 0.7


async def test_what_did_not_start_in_time_is_cancelled_as_expired(
    api: ClientSession, settings: Settings, job_types: JobTypes
) -> None:
    async with running_worker(replace(settings, worker_concurrency=1), job_types):
        gate = str(uuid4())
        async with api.post("/api/jobs", json={"type": "gated", "args": {"gate": gate}}) as response:
            first = await response.json()
        await until(api, first["id"], "running")
        async with api.post("/api/jobs", json={"type": "echo", "expires_in": 1}) as response:
            second = await response.json()
        ended = await until(api, second["id"], "cancelled", "finished", seconds=5)
        assert ended["status"] == "cancelled"
        assert ended["error"]["code"] == "expired"
        assert ended["started_at"] is None
        GATES[gate].set()
        assert (await until(api, first["id"], "finished"))["status"] == "finished"
        assert (await job(api, second["id"]))["status"] == "cancelled"


@pytest.mark.parametrize(
    ("how", "code"),
    [("result", "invalid_output"), ("circle", "invalid_output"), ("message", "odd"), ("raise", "c\ufffdde")],
)
async def test_a_job_that_ends_in_a_way_that_cannot_be_written_has_failed_at_once(
    api: ClientSession, pool: asyncpg.Pool, worker: asyncio.Event, how: str, code: str
) -> None:
    job_id = await add(pool, "odd_end", {"how": how})
    ended = await until(api, str(job_id), "failed", "finished", seconds=5)
    assert (ended["status"], ended["error"]["code"]) == ("failed", code)
    assert await outcomes_of(pool, job_id) == [(1, 1, "failed")]


async def test_an_end_that_postgresql_refuses_is_a_failure_at_once_and_not_a_lost_worker(
    api: ClientSession, pool: asyncpg.Pool, worker: asyncio.Event
) -> None:
    await pool.execute("ALTER TABLE jobs ADD CONSTRAINT no_poison CHECK (output <> 'poison')")
    job_id = await add(pool, "odd_end", {"how": "poison"})
    ended = await until(api, str(job_id), "failed", seconds=5)
    assert ended["error"]["code"] == "invalid_output"


async def test_odd_text_as_a_result_is_kept_as_far_as_it_can_be(
    api: ClientSession, pool: asyncpg.Pool, worker: asyncio.Event
) -> None:
    job_id = await add(pool, "odd_end", {"how": "text"})
    assert (await until(api, str(job_id), "finished"))["output"] == "a\ufffdb?c"
