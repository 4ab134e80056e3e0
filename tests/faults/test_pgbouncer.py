"""The whole system through PgBouncer."""

import json
import os
import subprocess
import sys
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from benchmarks import make_dovuti
from dues import SERVICE
from fault_lab.load import clients_of
from fault_lab.pgbouncer import pgbouncer
from fault_lab.system import running_system
from faulty_proxy import faulty_proxy
from service.settings import Settings
from service_process import ROOT

ROWS = 3_000  # more than PostgreSQL gathers before it looks at the first one


@pytest.mark.fault(
    "F16", "through PgBouncer in transaction mode: {jobs} jobs, reads, cancels and reruns", jobs=(100, 2_000)
)
async def test_the_system_works_through_pgbouncer(
    settings: Settings, pool: asyncpg.Pool, tmp_path: Path, jobs: int
) -> None:
    assert settings.database_url is not None
    with pgbouncer(settings.database_url, tmp_path) as url:
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


@pytest.mark.fault(
    "F16",
    "through PgBouncer in transaction mode: {imports} imports of dues that are there, whose COPY fails before its end",
    imports=(6, 60),
)
async def test_a_copy_that_fails_does_no_harm_behind_pgbouncer(
    settings: Settings, pool: asyncpg.Pool, tmp_path: Path, imports: int
) -> None:
    assert settings.database_url is not None
    file = "".join(make_dovuti.lines(ROWS)).encode()
    attachment = {"name": "dovuti.csv", "mime_type": "text/csv", "file": b64encode(file).decode()}
    with pgbouncer(settings.database_url, tmp_path) as behind:
        async with (
            faulty_proxy(behind) as (proxy, url),
            running_system(replace(settings, database_url=url), pool, apis=1, workers=1) as system,
            clients_of(system) as clients,
        ):
            proxy.copy_done_seconds = 0.1
            for number in range(1 + imports):
                args = {"service_id": SERVICE, "on_duplicate": "skip" if number % 2 else "update"}
                body = {"type": "import_dovuti", "args": args, "attachment": attachment}
                job_id = await clients.submit(f"import {number}", body)
                await system.rest(30)
                output = json.loads(await pool.fetchval("SELECT output FROM jobs WHERE id = $1", job_id))
                became = "imported" if number == 0 else "skipped" if number % 2 else "updated"
                assert output[became] == ROWS, output
            await system.check()


MODULES = sorted(
    (ROOT / "tests" / "integration").rglob("test_*.py"),
    key=lambda path: path.name == "test_lifecycle.py",
    reverse=True,
)


@pytest.mark.fault(
    "F16",
    "through PgBouncer in transaction mode: the tests of the engine and the API, {modules} modules",
    modules=(1, len(MODULES)),
)
def test_the_tests_of_the_engine_and_the_api_pass_through_pgbouncer(modules: int) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--through-pgbouncer"]
    if modules > 1:
        command += ["-n", "auto", "--dist", "loadfile"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LAVORI_FAULTS")}
    said = subprocess.run(
        [*command, *MODULES[:modules]], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout[-10_000:]
