"""The API, and workers that import dues: in this process, or as processes to be killed."""

import asyncio
import io
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, FormData
from aiohttp.test_utils import TestServer

from dues import SERVICE, Import, Submit, WorkerProcess
from running import running_worker, until
from service.app import create_app
from service.jobs.jobtype import JobTypes
from service.settings import Settings
from service.web.encoding import dumps
from workers.jobtypes.echo import echo
from workers.jobtypes.export_dovuti import export_dovuti
from workers.jobtypes.import_dovuti import import_dovuti
from workers.jobtypes.sleep import sleep

ADMIN_KEY = "an-admin-key-for-the-tests"
JOB_TYPES = JobTypes([import_dovuti, export_dovuti, echo, sleep])


@pytest.fixture
def environ(database_url: str, redis_url: str, tmp_path: Path) -> dict[str, str]:
    """The settings of a system of this test alone, as its processes read them."""
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "LAVORI_DATA": str(tmp_path),
        "LAVORI_SECRET_KEYS": "a-secret-key-for-the-tests-of-32-bytes",
        "LAVORI_ADMIN_KEY": ADMIN_KEY,
        "LAVORI_LEASE_SECONDS": "2",
        "LAVORI_SWEEP_SECONDS": "0.5",
        "LAVORI_CANCEL_GRACE_SECONDS": "1",
        "LAVORI_DRAIN_SECONDS": "1",
    }


@pytest.fixture
async def api(environ: dict[str, str]) -> AsyncIterator[ClientSession]:
    """A client of a running API, with the admin's key."""
    async with TestServer(create_app(Settings.from_environ(environ), JOB_TYPES)) as server:
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        async with ClientSession(server.make_url("/"), headers=headers) as session:
            yield session


@pytest.fixture
async def worker(environ: dict[str, str]) -> AsyncIterator[asyncio.Event]:
    """A worker that runs beside the test."""
    async with running_worker(Settings.from_environ(environ), JOB_TYPES) as stop:
        yield stop


@pytest.fixture
def worker_process(environ: dict[str, str]) -> WorkerProcess:
    """Starts a worker as a process of its own, which is killed with the end of the block at the latest."""

    @asynccontextmanager
    async def start() -> AsyncIterator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "service", "worker"), env={**os.environ, **environ}
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    return start


@pytest.fixture
def submit(api: ClientSession) -> Submit:
    """Submit an import of a file of these bytes."""

    async def call(data: bytes | str, service_id: str = SERVICE, **args: Any) -> dict[str, Any]:
        form = FormData()
        body = {"type": "import_dovuti", "args": {"service_id": service_id, **args}}
        form.add_field("job", dumps(body).decode(), content_type="application/json")
        content = data if isinstance(data, bytes) else data.encode()
        form.add_field("attachment", io.BytesIO(content), filename="dovuti.csv", content_type="text/csv")
        async with api.post("/api/jobs", data=form) as response:
            made: dict[str, Any] = await response.json()
            assert response.status == 201, made
            return made

    return call


@pytest.fixture
def import_file(api: ClientSession, submit: Submit, worker: asyncio.Event) -> Import:
    """Submit, and answer the job when it has ended."""

    async def call(data: bytes | str, **args: Any) -> dict[str, Any]:
        made = await submit(data, **args)
        return await until(api, made["id"], "finished", "failed", seconds=60)

    return call
