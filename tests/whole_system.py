"""Fixtures: the API on a real port, a worker beside it. A folder's conftest.py has their `settings` and `job_types`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from configured import ADMIN_KEY
from running import running_worker
from service.app import create_app
from service.jobs.jobtype import JobTypes
from service.settings import Settings


@pytest.fixture
async def api(settings: Settings, job_types: JobTypes) -> AsyncIterator[ClientSession]:
    """A client of a running API, with the admin's key."""
    async with TestServer(create_app(settings, job_types)) as server:
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        async with ClientSession(server.make_url("/"), headers=headers) as session:
            yield session


@pytest.fixture
async def worker(settings: Settings, job_types: JobTypes) -> AsyncIterator[asyncio.Event]:
    """A worker that runs beside the test; the event stops it."""
    async with running_worker(settings, job_types) as stop:
        yield stop


@pytest.fixture
async def submit(api: ClientSession) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Create a job and answer it."""

    async def call(type_: str = "echo", **body: Any) -> dict[str, Any]:
        async with api.post("/api/jobs", json={"type": type_, **body}) as response:
            made: dict[str, Any] = await response.json()
            assert response.status == 201, made
            return made

    return call
