"""API processes that stand behind nginx."""

from pathlib import Path

import pytest

from configured import settings_on
from service.settings import Settings


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Settings of two API processes over the same servers and files."""
    return settings_on(database_url, redis_url, tmp_path)
