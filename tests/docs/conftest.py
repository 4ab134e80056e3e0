"""Runs the examples of a page as they stand."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from configured import ADMIN_KEY, settings_on
from running import running_worker
from service.app import create_app
from service.jobs.jobtype import load_job_types

DOCS = Path(__file__).parents[2] / "docs"
Run = Callable[..., Awaitable[str]]
"""The fixture `run_page`: a page's name in, what its examples print out."""


@pytest.fixture
def run_page(database_url: str, redis_url: str, tmp_path: Path) -> Run:
    settings = settings_on(database_url, redis_url, tmp_path)

    async def run(page: str, *, working: bool = False) -> str:
        blocks = re.findall(r"```sh\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
        script = "\n".join(block for block in blocks if not block.startswith("export API"))
        async with TestServer(create_app(settings, load_job_types())) as server:
            address = str(server.make_url("")).rstrip("/")
            if not working:
                return await shell(script, address, tmp_path)
            async with running_worker(settings, load_job_types()):
                return await shell(script, address, tmp_path)

    return run


async def shell(script: str, api: str, folder: Path) -> str:
    """Run a script, which must end well; what it has printed, errors too."""
    process = await asyncio.create_subprocess_exec(
        *("sh", "-eu"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "API": api, "KEY": ADMIN_KEY},
    )
    said = (await process.communicate(script.encode()))[0].decode(errors="replace")
    assert process.returncode == 0, said
    return said
