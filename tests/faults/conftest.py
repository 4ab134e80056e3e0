"""Systems that may be broken: leases and sweeps short enough to be watched."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.settings import Settings
from worker_process import OwnRedis

ADMIN_KEY = "an-admin-key-for-the-tests"


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """A lease and sweeps short enough to be watched."""
    return Settings.from_environ(
        {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "LAVORI_DATA": str(tmp_path),
            "LAVORI_SECRET_KEYS": "a-secret-key-for-the-tests-of-32-bytes",
            "LAVORI_ADMIN_KEY": ADMIN_KEY,
            "LAVORI_LEASE_SECONDS": "2",
            "LAVORI_SWEEP_SECONDS": "0.5",
            "LAVORI_CANCEL_GRACE_SECONDS": "1",
            "LAVORI_DRAIN_SECONDS": "2",
            "LAVORI_WORKER_CONCURRENCY": "20",
        }
    )


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[OwnRedis]:
    """A Redis that may be stopped."""
    made = await OwnRedis.under(tmp_path)
    yield made
    made.stop()
