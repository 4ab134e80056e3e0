"""Real worker processes over servers of the tests; the API runs in the test's own process."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from configured import ADMIN_KEY, BRISK, settings_on
from service.app import create_app
from service.jobs.jobtype import load_job_types
from service.settings import Settings
from worker_process import OwnRedis


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """A lease and sweeps short enough to be watched."""
    return settings_on(
        database_url,
        redis_url,
        tmp_path,
        BRISK | {"LAVORI_DRAIN_SECONDS": "2", "LAVORI_WORKER_CONCURRENCY": "20"},
    )


@pytest.fixture
def on_own_redis(settings: Settings, own_redis: OwnRedis) -> Settings:
    """Settings of a system on that Redis."""
    return replace(settings, redis_url=own_redis.url)


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[ClientSession]:
    """A client of a running API, with the admin's key."""
    async with TestServer(create_app(settings, load_job_types(("engine_jobs",)))) as server:
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        async with ClientSession(server.make_url("/"), headers=headers) as session:
            yield session


@pytest.fixture
async def api_on_own_redis(on_own_redis: Settings) -> AsyncIterator[ClientSession]:
    """The same, on the Redis that may be stopped."""
    async with TestServer(create_app(on_own_redis, load_job_types(("engine_jobs",)))) as server:
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        async with ClientSession(server.make_url("/"), headers=headers) as session:
            yield session
