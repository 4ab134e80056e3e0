"""A new version comes in while clients go on: its migration first, then one process after the other."""

import asyncio
import os
import shutil
import signal
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest
from aiohttp import ClientError, ClientSession

from api_process import ApiProcess
from reverse_proxy import nginx_before
from service.db.migrate import MIGRATIONS, read_migrations
from service.settings import Settings
from service_process import ROOT
from worker_process import WorkerProcess

MIGRATION = """
ALTER TABLE jobs ADD COLUMN reviewed_at timestamptz;
ALTER TABLE job_requests ADD COLUMN reviewer text NOT NULL DEFAULT '';
CREATE INDEX jobs_reviewed ON jobs (tenant_id, reviewed_at) WHERE reviewed_at IS NOT NULL;
"""
CLIENTS = 8
SEEN_AGAIN_SECONDS = (
    3  # nginx asks one that was away again after fail_timeout, 2 s; until then the other must stay
)
LEFT = "SELECT count(*) FROM jobs WHERE terminated_at IS NULL"


async def client(
    api: ClientSession, number: int, stop: asyncio.Event, told: Counter[tuple[str, int]]
) -> None:
    """Submit with a key, read, list, and cancel each fourth job; what fails is no answer, and ends the test."""
    count = 0
    while not stop.is_set():
        count += 1
        cancels = count % 4 == 0
        body = {"type": "wait", "args": {"seconds": 30 if cancels else 0.05}}
        headers = {"Idempotency-Key": f"{number}-{count}"}
        async with api.post("/api/jobs", json=body, headers=headers) as made:
            told["submit", made.status] += 1
            job = await made.json()
        async with api.get(f"/api/jobs/{job['id']}") as read:
            told["read", read.status] += 1
        async with api.get("/api/jobs?limit=5") as listed:
            told["list", listed.status] += 1
        if cancels:
            async with api.post(f"/api/jobs/{job['id']}/cancel") as cancelled:
                told["cancel", cancelled.status // 100] += 1
        await asyncio.sleep(0.02)


async def readiness(process: ApiProcess) -> int:
    """The status of /readyz, once the process answers at all."""
    async with asyncio.timeout(20), process.session() as asking:
        while True:
            with suppress(ClientError):
                async with asking.get("/readyz") as response:
                    return response.status
            await asyncio.sleep(0.05)


async def run(settings: Settings, *words: str, **environ: str) -> int:
    """A command of the next version, to its end."""
    assert settings.database_url is not None
    ours = {"DATABASE_URL": settings.database_url, "PYTHONPATH": str(ROOT / "tests"), **environ}
    command = [sys.executable, "-m", "next_version", *words]
    running = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env={**os.environ, **ours})
    return await running.wait()


@pytest.mark.usefixtures("invariants")
@pytest.mark.fault(
    "F21",
    "a migration, and each of two API processes and two workers restarted, under submits, reads and cancels",
)
async def test_no_call_fails_while_a_new_version_comes_in(
    settings: Settings,
    pool: asyncpg.Pool,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    newest = len(read_migrations()) + 1
    (folder / f"{newest:04}-review-jobs.sql").write_text(MIGRATION)
    new = {"NEXT_MIGRATIONS": str(folder)}
    told: Counter[tuple[str, int]] = Counter()
    stop = asyncio.Event()
    with (
        ApiProcess(settings) as one,
        ApiProcess(settings) as two,
        WorkerProcess(settings) as first,
        WorkerProcess(settings) as second,
    ):
        await one.until_ready()
        await two.until_ready()
        async with (
            nginx_before(tmp_path / "nginx", one.port, two.port) as api,
            asyncio.TaskGroup() as clients,
        ):
            for number in range(CLIENTS):
                clients.create_task(client(api, number, stop, told))
            await asyncio.sleep(0.5)
            with ApiProcess(settings, environ=new, module="next_version") as early:
                assert await readiness(early) == 503, "a new version waits for its migration"
            assert await run(settings, "migrate", **new) == 0
            for process in (one, two):
                if process is two:
                    await asyncio.sleep(SEEN_AGAIN_SECONDS)
                process.signal(signal.SIGTERM)
                assert await process.exit_code(30) == 0
                process.module = "next_version"
                process.set(**new)
                assert process.start_again_if_ended()
                await process.until_ready()
            for worker in (first, second):
                worker.signal(signal.SIGTERM)
                assert await asyncio.to_thread(worker.exit_code, 30) == 0
                worker.module = "next_version"
                worker.set(**new)
                assert worker.start_again_if_ended()
            before = told.total()
            await asyncio.sleep(1)
            assert told.total() > before
            stop.set()
        async with asyncio.timeout(30):
            while await pool.fetchval(LEFT):
                await asyncio.sleep(0.05)
    assert set(told) == {("submit", 201), ("read", 200), ("list", 200), ("cancel", 2)}, told
    assert await pool.fetchval("SELECT count(*) FROM jobs") == told["submit", 201]
    assert not await pool.fetchval("SELECT count(*) FROM jobs WHERE status NOT IN ('finished', 'cancelled')")
    assert await pool.fetchval("SELECT max(number) FROM schema_migrations") == newest
