"""The examples of docs/jobs.md, run as they stand."""

import asyncio
import re
from pathlib import Path

from aiohttp.test_utils import TestServer

from service.app import create_app
from service.jobs.jobtype import load_job_types
from service.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "jobs.md"
KEY = "an-admin-key-for-the-tests"


async def test_the_examples_about_jobs_work(database_url: str, redis_url: str, tmp_path: Path) -> None:
    settings = Settings.from_environ(
        {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "LAVORI_DATA": str(tmp_path),
            "LAVORI_SECRET_KEYS": "a-secret-key-for-the-tests-of-32-bytes",
            "LAVORI_ADMIN_KEY": KEY,
        }
    )
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    script = "\n".join(block for block in blocks if not block.startswith("export API"))
    async with TestServer(create_app(settings, load_job_types())) as server:
        shell = await asyncio.create_subprocess_exec(
            *("sh", "-eu"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "API": str(server.make_url("")).rstrip("/"), "KEY": KEY},
        )
        said = (await shell.communicate(script.encode()))[0].decode()
    assert shell.returncode == 0, said
    assert said.count('"status":"pending"') >= 5
    assert '"idempotency_key":"monday"' in said
    assert '"name":"table.csv"' in said
    assert '"code":"unknown_job_type"' in said
    assert "\n304\n" in f"\n{said.replace('}', '}' + chr(10))}"
    assert '"status":"cancelled"' in said
