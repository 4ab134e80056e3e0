"""Three schedulers, one of them killed again and again: each time of a schedule makes exactly one job."""

import asyncio
from contextlib import ExitStack
from datetime import datetime, timedelta

import asyncpg
import pytest
from aiohttp import ClientSession

from asking import ask
from ledger import until_none_left
from service.settings import Settings
from worker_process import WorkerProcess

SECONDS, KILLS = 10, 5
FIRES = "SELECT at, outcome, job_id FROM fires ORDER BY at"


@pytest.mark.usefixtures("invariants")
@pytest.mark.fault("F27", "three schedulers, one killed after a fire five times, a fire each second")
async def test_each_second_fires_once_although_schedulers_are_killed(
    api: ClientSession, pool: asyncpg.Pool, settings: Settings
) -> None:
    await fire_each_second(api, pool, settings, seconds=SECONDS, kills=KILLS)


async def fire_each_second(
    api: ClientSession, pool: asyncpg.Pool, settings: Settings, *, seconds: int, kills: int
) -> None:
    """Let a schedule fire each second for so long, while a scheduler is killed so often, right after a fire."""
    with ExitStack() as stack:
        workers = [stack.enter_context(WorkerProcess(settings)) for _ in range(3)]
        body = {"code": "often", "type": "echo", "schedule": {"cron": "* * * * * *", "misfire": "all"}}
        assert (await ask(api, "POST", "/api/job-definitions", json=body)).status == 201
        step = seconds // kills
        for kill in range(kills):
            async with asyncio.timeout(30 + step):
                while await pool.fetchval("SELECT count(*) FROM fires") < (kill + 1) * step:
                    await asyncio.sleep(0.01)
            workers[kill % 3].kill_and_start_again()
        off = await ask(api, "PATCH", "/api/job-definitions/often", json={"schedule": {"enabled": False}})
        assert off.status == 200
        await until_none_left(pool, seconds=settings.lease_seconds + settings.sweep_seconds + 20)
    fires = await pool.fetch(FIRES)
    times: list[datetime] = [row["at"] for row in fires]
    assert times == [times[0] + timedelta(seconds=second) for second in range(len(times))]
    assert {row["outcome"] for row in fires} == {"fired"}
    made = await pool.fetchval("SELECT count(*) FROM jobs WHERE definition = 'often' AND status = 'finished'")
    assert made == len({row["job_id"] for row in fires}) == len(fires) >= seconds
