"""Workers in this process over servers of the tests; jobs come in over HTTP or straight into PostgreSQL."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from arq.connections import ArqRedis

import engine_jobs
import odd_jobs
from configured import BRISK, settings_on
from service.dev.ports import free_port
from service.jobs import queue
from service.jobs.jobtype import JobType, JobTypes
from service.settings import Settings
from whole_system import api, worker  # noqa: F401 - fixtures


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """A lease and sweeps short enough to be watched."""
    return settings_on(
        database_url,
        redis_url,
        tmp_path,
        BRISK | {"LAVORI_CANCEL_GRACE_SECONDS": "0.5", "LAVORI_DRAIN_SECONDS": "0.5"},
    )


@pytest.fixture
def without_redis(settings: Settings, tmp_path: Path) -> Settings:
    """The same, with an address where no Redis answers."""
    return replace(settings, redis_url=f"redis://127.0.0.1:{free_port(str(tmp_path))}/0")


@pytest.fixture
def job_types() -> JobTypes:
    """All types of odd_jobs.py and engine_jobs.py."""
    found = {one.code: one for module in (odd_jobs, engine_jobs) for one in vars(module).values()
             if isinstance(one, JobType)}  # fmt: skip
    return JobTypes(list(found.values()))


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[ArqRedis]:
    """A client of the test's Redis, as the service makes it."""
    client = queue.connect(redis_url)
    yield client
    await client.aclose(close_connection_pool=True)
