"""Machines whose clocks are wrong: leases, schedules, links and hints follow the database's."""

import asyncio
import random
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from aiohttp import ClientSession

from api_process import ApiProcess
from asking import ask
from engine_jobs import CREATE_EFFECTS
from fault_lab.clock import SetClock, faked
from ledger import until_status
from running import until
from service.settings import Settings
from worker_process import WorkerProcess

SWEEP_SECONDS = 4.0
TYPES = {"JOB_TYPES": "engine_jobs,fault_jobs", "LAVORI_INLINE_LIMIT": "1024"}


def clock(hours: int) -> dict[str, str]:
    """The environment of a process whose clock is so many hours ahead."""
    return faked() | TYPES | {"FAKETIME": f"{hours:+}h"}


@pytest.mark.parametrize("hours", [-2, 2])
@pytest.mark.usefixtures("faked_clocks", "invariants")
@pytest.mark.fault("F25", "an API and a worker whose clocks are two hours behind, or ahead")
async def test_what_has_a_time_follows_the_databases_clock(
    settings: Settings, pool: asyncpg.Pool, hours: int
) -> None:
    settings = replace(settings, sweep_seconds=SWEEP_SECONDS)
    await pool.execute(CREATE_EFFECTS)
    with ApiProcess(settings, environ=clock(hours)) as process, WorkerProcess(settings, clock(hours)):
        await process.until_ready()
        async with process.session() as api:
            async with api.get("/livez") as response:
                told = parsedate_to_datetime(response.headers["Date"])
            assert abs(told - datetime.now(UTC) - timedelta(hours=hours)) < timedelta(minutes=1)
            await until_a_worker_beats(pool)  # its first beat tells it the time
            await asyncio.gather(
                a_job_starts_at_once_and_keeps_its_lease(api),
                a_job_starts_at_its_time(api, pool),
                a_link_lives_as_long_as_it_was_said_to(api, settings),
                a_schedule_fires_each_second(api, pool),
            )


@pytest.mark.usefixtures("faked_clocks", "invariants")
@pytest.mark.fault(
    "F25", "an API and a worker whose clocks jump {jumps} times, by an hour to and fro", jumps=(4, 60)
)
async def test_clocks_that_jump_change_nothing(
    settings: Settings, pool: asyncpg.Pool, tmp_path: Path, jumps: int
) -> None:
    settings = replace(settings, sweep_seconds=SWEEP_SECONDS)
    await pool.execute(CREATE_EFFECTS)
    clock, dice = SetClock(tmp_path), random.Random(25)
    environ = clock.environ | TYPES
    with ApiProcess(settings, environ=environ) as process, WorkerProcess(settings, environ):
        await process.until_ready()
        async with process.session() as api:
            await until_a_worker_beats(pool)
            before = await pool.fetchval("SELECT now()")
            body = {"type": "lines", "args": {"count": 2 * jumps, "seconds": jumps}}
            long = await ask(api, "POST", "/api/jobs", json=body)
            await define_a_schedule(api)
            linked = asyncio.create_task(a_link_lives_as_long_as_it_was_said_to(api, settings))
            hours = 0
            for _ in range(jumps):
                hours = dice.choice([one for one in (-1, 0, 1) if one != hours])
                clock.move(hours * 3600)
                await a_job_starts_at_its_time(api, pool)
            ended = await until(api, long.body["id"], "finished")
            assert ended["attempt"] == 1, ended
            passed = await pool.fetchval("SELECT extract(epoch FROM now() - $1)", before)
            fires = await pool.fetchval(
                "SELECT count(*) FROM jobs JOIN job_requests ON job_id = id WHERE is_scheduled"
            )
            assert abs(fires - float(passed)) <= 3, "each second, once"
            ((oldest, newest),) = await pool.fetch(
                "SELECT now() - min(time), now() - max(time) FROM job_messages"
            )
            assert timedelta(0) <= newest <= oldest <= timedelta(seconds=float(passed))
            await linked


async def until_a_worker_beats(pool: asyncpg.Pool) -> None:
    async with asyncio.timeout(30):
        while not await pool.fetchval("SELECT count(*) FROM workers"):
            await asyncio.sleep(0.05)


async def a_job_starts_at_once_and_keeps_its_lease(api: ClientSession) -> None:
    """Well before a sweep would find it; and it runs for longer than its lease."""
    body = {"type": "wait", "args": {"seconds": 3, "steps": 3}}
    began = time.monotonic()
    made = await ask(api, "POST", "/api/jobs", json=body)
    assert made.status == 201, made
    await until(api, made.body["id"], "running", seconds=SWEEP_SECONDS / 2)
    assert time.monotonic() - began < SWEEP_SECONDS / 2
    running = await ask(api, "GET", f"/api/jobs/{made.body['id']}")
    assert int(running.headers["Retry-After"]) < 10
    ended = await until(api, made.body["id"], "finished")
    assert ended["output"] == "1", "it was claimed twice"


async def a_job_starts_at_its_time(api: ClientSession, pool: asyncpg.Pool) -> None:
    run_at = await pool.fetchval("SELECT now()") + timedelta(seconds=2)
    made = await ask(api, "POST", "/api/jobs", json={"type": "echo", "run_at": run_at.isoformat()})
    row = await until_status(pool, UUID(made.body["id"]), "finished", seconds=3 + SWEEP_SECONDS)
    assert timedelta(0) <= row["started_at"] - row["due_at"] < timedelta(seconds=1)


async def a_link_lives_as_long_as_it_was_said_to(api: ClientSession, settings: Settings) -> None:
    args = {"diary": str(settings.data / "effects.log"), "output_bytes": 5_000}
    made = await ask(api, "POST", "/api/jobs", json={"type": "marked", "args": args})
    ended = await until(api, made.body["id"], "finished")
    links = f"/api/jobs/{ended['id']}/outputs/{ended['outputs'][0]['id']}/links"
    link = await ask(api, "POST", links, json={"scope": "public", "expires_in": 3})
    async with api.get(link.body["url"]) as response:
        assert response.status == 200
    async with asyncio.timeout(6):
        while True:
            async with api.get(link.body["url"]) as response:
                if response.status == 410:
                    return
            await asyncio.sleep(0.2)


async def a_schedule_fires_each_second(api: ClientSession, pool: asyncpg.Pool) -> None:
    await define_a_schedule(api)
    await asyncio.sleep(5)
    made = await pool.fetch(
        "SELECT due_at, created_at FROM jobs JOIN job_requests ON job_id = id WHERE is_scheduled"
    )
    assert 3 <= len(made) <= 7
    now = await pool.fetchval("SELECT now()")
    assert all(timedelta(0) <= now - row["created_at"] < timedelta(seconds=10) for row in made)


async def define_a_schedule(api: ClientSession) -> None:
    schedule = {"cron": "* * * * * *", "misfire": "all"}
    body = {"code": "often", "type": "echo", "schedule": schedule}
    assert (await ask(api, "POST", "/api/job-definitions", json=body)).status == 201
