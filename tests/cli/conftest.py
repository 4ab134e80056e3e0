"""One running system for a module: an API and a worker as processes, and `lavori` run against them as a process."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from api_process import ApiProcess
from cli_shell import KEY, Shell
from service.settings import Settings
from worker_process import WorkerProcess


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def system(
    module_database_url: str, module_redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """The address of an API with one worker."""
    settings = Settings.from_environ(
        {
            "DATABASE_URL": module_database_url,
            "REDIS_URL": module_redis_url,
            "LAVORI_DATA": str(tmp_path_factory.mktemp("system")),
            "LAVORI_SECRET_KEYS": "a-secret-key-for-the-tests-of-32-bytes",
            "LAVORI_ADMIN_KEY": KEY,
            "LAVORI_SWEEP_SECONDS": "0.5",
            "LAVORI_DRAIN_SECONDS": "0.5",
        }
    )
    with ApiProcess(settings) as api, WorkerProcess(settings):
        await api.until_ready()
        yield api.url


@pytest.fixture
def bare(tmp_path: Path) -> Shell:
    """`lavori` as nobody has set it up."""
    folder = tmp_path / "work"
    folder.mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    return Shell(folder, {**kept, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")})


@pytest.fixture
def lavori(bare: Shell, system: str) -> Shell:
    """`lavori` with the admin's key of the running system."""
    return Shell(bare.folder, {**bare.environ, "LAVORI_URL": system, "LAVORI_TOKEN": KEY})
