"""A whole system for the dialects: the API on a real port, real servers below."""

from pathlib import Path

import pytest

import odd_jobs
from configured import BRISK, settings_on
from service.jobs.jobtype import JobTypes, load_job_types
from service.settings import Settings
from whole_system import api, submit, worker  # noqa: F401 - fixtures


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Settings of a system of this test alone."""
    return settings_on(database_url, redis_url, tmp_path, BRISK)


@pytest.fixture
def job_types() -> JobTypes:
    """The types that ship, and some that do what a test needs."""
    return JobTypes([*load_job_types().values(), odd_jobs.steps, odd_jobs.stubborn])
