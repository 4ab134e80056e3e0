"""A whole system in one process: the API on a real port, a worker beside it, real servers below."""

from pathlib import Path

import pytest

import odd_jobs
from configured import BRISK, settings_on
from service.jobs.jobtype import JobTypes
from service.settings import Settings
from whole_system import api, submit, worker  # noqa: F401 - fixtures


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Settings of a system of this test alone, with a lease and sweeps short enough to be watched."""
    return settings_on(database_url, redis_url, tmp_path, BRISK)


@pytest.fixture
def job_types() -> JobTypes:
    """The types of this folder's tests."""
    return JobTypes([odd_jobs.echo, odd_jobs.steps, odd_jobs.stubborn, odd_jobs.flaky, odd_jobs.large])
