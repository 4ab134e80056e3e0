"""API processes that stand behind nginx."""

from pathlib import Path

import pytest

from reverse_proxy import ADMIN_KEY
from service.settings import Settings


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Settings of two API processes over the same servers and files."""
    return Settings.from_environ(
        {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "LAVORI_DATA": str(tmp_path),
            "LAVORI_SECRET_KEYS": "a-secret-key-for-the-tests-of-32-bytes",
            "LAVORI_ADMIN_KEY": ADMIN_KEY,
        }
    )
