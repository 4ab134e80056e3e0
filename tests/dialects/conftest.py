"""A whole system for the dialects: the API on a real port, real servers below."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

import odd_jobs
from configured import ADMIN_KEY, BRISK, settings_on
from running import running_worker
from service.app import create_app
from service.jobs.jobtype import JobTypes, load_job_types
from service.settings import Settings


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Settings of a system of this test alone."""
    return settings_on(database_url, redis_url, tmp_path, BRISK)


@pytest.fixture
def job_types() -> JobTypes:
    """The types that ship, and some that do what a test needs."""
    return JobTypes([*load_job_types().values(), odd_jobs.steps, odd_jobs.stubborn])


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
    """Create a job natively and answer it."""

    async def call(type_: str = "echo", **body: Any) -> dict[str, Any]:
        async with api.post("/api/jobs", json={"type": type_, **body}) as response:
            made: dict[str, Any] = await response.json()
            assert response.status == 201, made
            return made

    return call
