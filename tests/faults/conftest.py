"""Systems that may be broken: leases and sweeps short enough to be watched."""

from pathlib import Path

import pytest

from configured import BRISK, settings_on
from service.settings import Settings


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """A lease and sweeps short enough to be watched."""
    return settings_on(
        database_url,
        redis_url,
        tmp_path,
        BRISK | {"LAVORI_DRAIN_SECONDS": "2", "LAVORI_WORKER_CONCURRENCY": "20"},
    )
