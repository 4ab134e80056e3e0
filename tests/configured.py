"""Settings of a system of one test alone."""

from collections.abc import Mapping
from pathlib import Path

from service.settings import Settings

ADMIN_KEY = "an-admin-key-for-the-tests"
BRISK = {
    "LAVORI_LEASE_SECONDS": "2",
    "LAVORI_SWEEP_SECONDS": "0.5",
    "LAVORI_CANCEL_GRACE_SECONDS": "1",
    "LAVORI_DRAIN_SECONDS": "1",
}
"""A lease and sweeps short enough to be watched."""


def settings_on(
    database_url: str, redis_url: str, data: Path, more: Mapping[str, str] | None = None
) -> Settings:
    """Settings over these servers and this folder, with `more` variables of the environment."""
    environ = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "LAVORI_DATA": str(data),
        "LAVORI_SECRET_KEYS": "a-secret-key-for-the-tests-of-32-bytes",
        "LAVORI_ADMIN_KEY": ADMIN_KEY,
    }
    return Settings.from_environ(environ | dict(more or {}))
