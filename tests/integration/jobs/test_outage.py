"""PostgreSQL goes away and comes back: 503 meanwhile, and nobody has to restart anything."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from asking import ask
from service.app import create_app
from service.db.migrate import migrate
from service.dev.embedded import embedded_servers
from service.jobs.jobtype import JobTypes
from service.settings import Settings

ADMIN_KEY = "an-admin-key-for-the-tests"
CALLS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("GET", "/api/jobs/{id}", {}),
    ("GET", "/api/jobs", {}),
    ("POST", "/api/jobs", {"json": {"type": "echo"}}),
    ("POST", "/api/jobs/batch", {"json": [{"type": "echo"}] * 3}),
    ("PATCH", "/api/jobs/{id}", {"json": {"description": "x"}}),
    ("POST", "/api/jobs/{id}/cancel", {}),
    ("GET", "/api/jobs/{id}/messages", {}),
    ("DELETE", "/api/jobs/{id}", {}),
    ("POST", "/api/jobs", {"json": {"type": "echo", "attachment": {"file": "YQ=="}}}),
)


@pytest.fixture
async def postgres(tmp_path: Path, settings: Settings) -> AsyncIterator[tuple[Settings, int]]:
    """Settings with a PostgreSQL of this test alone, and that server's pid."""
    async with embedded_servers(tmp_path) as servers:
        await migrate(servers.database_url)
        pid = int(next(tmp_path.rglob("postmaster.pid")).read_text().splitlines()[0])
        yield replace(settings, database_url=servers.database_url), pid


@pytest.mark.fault("F10", "PostgreSQL ended as by a crash under all kinds of calls")
async def test_an_outage_is_503_and_ends_by_itself(
    postgres: tuple[Settings, int], job_types: JobTypes
) -> None:
    settings, pid = postgres
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    async with (
        TestServer(create_app(settings, job_types)) as server,
        ClientSession(server.make_url("/"), headers=headers) as api,
    ):
        job_id = (await ask(api, "POST", "/api/jobs", json={"type": "echo"})).body["id"]
        os.kill(pid, signal.SIGQUIT)  # as a crash; its keeper starts it again, after a while
        seen: set[int] = set()
        async with asyncio.timeout(20):
            while 503 not in seen or len(seen) < 2:
                for method, path, how in CALLS[:4]:
                    answer = await ask(api, method, path.format(id=job_id), **how)
                    assert answer.status in (200, 201, 207, 503), answer
                    assert answer.status != 503 or answer.headers["Retry-After"] == "2"
                    assert answer.status != 503 or answer.body["code"] == "unavailable"
                    seen.add(answer.status)
        async with asyncio.timeout(20):
            for method, path, how in CALLS:
                while (answer := await ask(api, method, path.format(id=job_id), **how)).status == 503:
                    await asyncio.sleep(0.05)
                assert answer.status < 300, answer


@pytest.mark.fault("F09", "PostgreSQL frozen under all kinds of calls")
async def test_calls_while_it_is_away_end_soon_and_livez_goes_on(
    postgres: tuple[Settings, int], job_types: JobTypes
) -> None:
    settings, pid = postgres
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    async with (
        TestServer(create_app(settings, job_types)) as server,
        ClientSession(server.make_url("/"), headers=headers) as api,
    ):
        job_id = (await ask(api, "POST", "/api/jobs", json={"type": "echo"})).body["id"]
        assert (await ask(api, "GET", "/readyz")).status == 200
        frozen = [pid, *(int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
        for one in frozen:
            os.kill(one, signal.SIGSTOP)
        try:
            async with asyncio.timeout(20):
                answers = await asyncio.gather(
                    ask(api, "GET", "/livez"),
                    ask(api, "GET", "/readyz?verbose"),
                    *(ask(api, method, path.format(id=job_id), **how) for method, path, how in CALLS),
                )
        finally:
            for one in frozen:
                os.kill(one, signal.SIGCONT)
        assert [one.status for one in answers[:2]] == [200, 200]
        assert {one.status for one in answers[2:]} == {503}
        async with asyncio.timeout(20):
            while (await ask(api, "GET", f"/api/jobs/{job_id}")).status == 503:
                await asyncio.sleep(0.05)
