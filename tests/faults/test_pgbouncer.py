"""The whole system through PgBouncer."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from dev_run import free_port, until
from fault_lab.debian import debian_program
from fault_lab.load import clients_of
from fault_lab.system import running_system
from service.dev.postgres import _as_a_plain_user
from service.settings import Settings

# asyncpg prepares its statements, which PgBouncer follows from server to server since 1.21.
SINCE = (1, 21)
CONFIG = """\
[databases]
{database} = host=127.0.0.1 port={port} user=postgres password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 500
ignore_startup_parameters = extra_float_digits,jit,timezone,application_name
{more}
"""


@contextmanager
def pgbouncer(url: str, folder: Path) -> Iterator[tuple[str, str]]:
    """A PgBouncer before the server of `url`: the url through it, and its pool mode."""
    program = debian_program("pgbouncer")
    said = subprocess.run(
        [program.path, "--version"], env=program.environ, capture_output=True, text=True, check=True
    )
    numbers = re.search(r"PgBouncer (\d+)\.(\d+)", said.stdout)
    assert numbers is not None
    is_new = (int(numbers[1]), int(numbers[2])) >= SINCE
    parts, own_port = urlsplit(url), free_port()
    config = folder / "pgbouncer.ini"
    config.write_text(
        CONFIG.format(
            database=parts.path.strip("/"),
            port=parts.port,
            password=parts.password,
            own_port=own_port,
            mode="transaction" if is_new else "session",
            size=20 if is_new else 100,
            more="max_prepared_statements = 200" if is_new else "",
        )
    )
    log = folder / "pgbouncer.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*_as_a_plain_user(), program.path, config], env=program.environ, stdout=out, stderr=out
        )
    try:
        until(lambda: b"process up" in log.read_bytes(), "PgBouncer", 10)
        through = urlunsplit(parts._replace(netloc=f"postgres:any@127.0.0.1:{own_port}"))
        yield through, "transaction" if is_new else "session"
    finally:
        process.kill()
        process.wait()


@pytest.mark.fault("F16", "through PgBouncer: {jobs} jobs, reads, cancels and reruns", jobs=(100, 2_000))
async def test_the_system_works_through_pgbouncer(
    settings: Settings, pool: asyncpg.Pool, tmp_path: Path, jobs: int
) -> None:
    assert settings.database_url is not None
    with pgbouncer(settings.database_url, tmp_path) as (url, mode):
        async with (
            running_system(replace(settings, database_url=url), pool, apis=2, workers=2) as system,
            clients_of(system) as clients,
        ):
            body = {"type": "marked", "args": {"diary": str(system.diary), "seconds": 0.1}}
            made = await clients.submit_many(jobs, body)
            for job_id in made[:20]:
                await clients.ask("cancel", "POST", f"/api/jobs/{job_id}/cancel")
                await clients.ask("read", "GET", f"/api/jobs/{job_id}")
            await system.rest(60)
            for job_id in made[:20]:
                assert (await clients.ask("rerun", "POST", f"/api/jobs/{job_id}/rerun")).status == 200
            for path in (
                "/api/jobs?limit=10&count=true",
                "/api/stats",
                "/api/me",
                "/api/job-types",
                "/api/audit",
            ):
                assert (await clients.ask("read", "GET", path)).status == 200
            await system.check()
        assert await pool.fetchval("SELECT count(*) FROM jobs") == jobs
    if mode != "transaction":
        pytest.skip(
            "passed in session mode alone: this PgBouncer is older than 1.21, which knows prepared statements"
        )
