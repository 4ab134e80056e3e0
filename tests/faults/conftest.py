"""Systems that may be broken: leases and sweeps short enough to be watched."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from configured import BRISK, settings_on
from fault_lab.clock import swept
from service.settings import Settings


@pytest.fixture
def faked_clocks() -> Iterator[None]:
    """Processes of this test may have clocks that are wrong."""
    with swept():
        yield


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """A lease and sweeps short enough to be watched."""
    return settings_on(
        database_url,
        redis_url,
        tmp_path,
        BRISK | {"LAVORI_DRAIN_SECONDS": "2", "LAVORI_WORKER_CONCURRENCY": "20"},
    )
