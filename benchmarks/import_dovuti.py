"""Measure import_dovuti against parse-and-COPY of the same file, interleaved: python -m benchmarks.import_dovuti.

Servers, API and worker are started for it, the worker as a process of its own; the job comes in over HTTP.
Parse-and-COPY is what any import has to do at least: csv module, values converted, rows to a table without an index,
nothing checked. Shown are rows per second with min and max, their ratio, the second import of the same file, and
peak memory.
"""

import argparse
import asyncio
import csv
import logging
import multiprocessing
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import uvloop
from aiohttp import ClientSession, FormData
from aiohttp.test_utils import TestServer

from benchmarks import make_dovuti
from service.app import create_app
from service.db.migrate import migrate
from service.dev.embedded import embedded_servers
from service.jobs.jobtype import load_job_types
from service.settings import Settings

KEY = "an-admin-key-for-measuring"
SERVICE = "5f0c3c1e-6f0b-4a0e-9f39-1d1b7a6a2a11"
PLAIN = """
CREATE TABLE IF NOT EXISTS plain (
    notice_number text, iuv text, amount numeric, reason text, created_at date, expire_at date, payer_type text,
    payer_tax_identification_number text, payer_name text, payer_email text
)
"""
COPY_AT_ONCE = 5_000


def parse_and_copy(dsn: str, path: Path, seconds: Any) -> None:
    """Run in a process of its own; leaves the time it took in `seconds`."""

    def day(text: str) -> date:
        return date(int(text[6:]), int(text[3:5]), int(text[:2]))

    async def work() -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute(PLAIN)
        await connection.execute("TRUNCATE plain")
        began = time.perf_counter()
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            next(rows)
            batch = []
            for n, i, a, r, c, e, *payer in rows:
                batch.append((n, i, Decimal(a), r, day(c), day(e), *payer))
                if len(batch) == COPY_AT_ONCE:
                    await connection.copy_records_to_table("plain", records=batch)
                    batch = []
            await connection.copy_records_to_table("plain", records=batch)
        seconds.value = time.perf_counter() - began
        await connection.close()

    uvloop.run(work())


def measure_copy(dsn: str, path: Path) -> float:
    """Seconds of one parse-and-COPY."""
    spawn = multiprocessing.get_context("spawn")
    seconds = spawn.Value("d", 0.0)
    process = spawn.Process(target=parse_and_copy, args=(dsn, path, seconds))
    process.start()
    process.join()
    return float(seconds.value)


async def measure_import(api: ClientSession, path: Path) -> tuple[float, str]:
    """Seconds of one job, from its start to its end by the database's clock, and its output."""
    form = FormData()
    form.add_field(
        "job",
        f'{{"type": "import_dovuti", "args": {{"service_id": "{SERVICE}"}}}}',
        content_type="application/json",
    )
    form.add_field("attachment", path.open("rb"), filename="dovuti.csv", content_type="text/csv")
    async with api.post("/api/jobs", data=form) as response:
        job = await response.json()
        if response.status != 201:
            raise SystemExit(f"the job was refused: {job}")
    while job["status"] in ("pending", "running"):
        await asyncio.sleep(0.1)
        async with api.get(f"/api/jobs/{job['id']}") as response:
            job = await response.json()
    began, ended = (datetime.fromisoformat(job[name]) for name in ("started_at", "terminated_at"))
    return (ended - began).total_seconds(), f"{job['status']}: {job['output']}"


def peaks(pid: int) -> tuple[int, int]:
    """Peak RSS in MiB of a process, and of its child that has the largest."""

    def peak(of: str) -> int:
        try:
            status = Path(f"/proc/{of}/status").read_text(encoding="utf-8")
        except OSError:  # it has just ended
            return 0
        found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
        return int(found[0]) // 1024 if found else 0

    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    return peak(str(pid)), max(map(peak, children), default=0)


@asynccontextmanager
async def system(
    folder: Path,
) -> AsyncIterator[tuple[str, ClientSession, Callable[[], tuple[int, int]]]]:
    """Servers, API and worker; gives the database's address, a client, and what tells the peak memory."""
    async with embedded_servers(folder) as servers:
        await migrate(servers.database_url)
        environ = {
            "DATABASE_URL": servers.database_url,
            "REDIS_URL": servers.redis_url,
            "LAVORI_DATA": str(folder),
            "LAVORI_SECRET_KEYS": "a-secret-key-for-measuring-of-32-bytes",
            "LAVORI_ADMIN_KEY": KEY,
        }
        settings = Settings.from_environ(environ)
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "service", "worker"), env={**os.environ, **environ}
        )
        highest = [0, 0]

        async def watch() -> None:
            while True:
                highest[:] = map(max, highest, peaks(worker.pid))
                await asyncio.sleep(0.2)

        watching = asyncio.create_task(watch())

        def told() -> tuple[int, int]:
            return highest[0], highest[1]

        try:
            async with TestServer(create_app(settings, load_job_types())) as server:
                headers = {"Authorization": f"Bearer {KEY}"}
                async with ClientSession(server.make_url("/"), headers=headers) as api:
                    yield servers.database_url, api, told
        finally:
            watching.cancel()
            worker.send_signal(signal.SIGTERM)
            await worker.wait()


def write(folder: Path, rows: int) -> Path:
    """Make the file, and room for the servers beside it, which may run as another user."""
    folder.chmod(0o755)
    (folder / "system").mkdir()
    path = folder / "dovuti.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(make_dovuti.lines(rows))
    return path


async def measure(rows: int, rounds: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write(folder, rows)
        results: dict[str, list[float]] = {
            "parse and COPY": [],
            "import_dovuti": [],
            "the same file again": [],
        }
        async with system(folder / "system") as (dsn, api, told):
            for _ in range(rounds):
                results["parse and COPY"].append(await asyncio.to_thread(measure_copy, dsn, path))
                for case in ("import_dovuti", "the same file again"):
                    seconds, output = await measure_import(api, path)
                    results[case].append(seconds)
                    print(f"{case}: {seconds:.1f} s, {output}", file=sys.stderr)
                connection = await asyncpg.connect(dsn)
                await connection.execute("TRUNCATE dovuti")
                await connection.close()
            worker, child = told()
    limit = statistics.median(results["parse and COPY"])
    print("| case | rows/s | min | max | of parse and COPY |\n|---|---|---|---|---|")
    for case, taken in results.items():
        middle = statistics.median(taken)
        spread = f"{rows / max(taken):,.0f} | {rows / min(taken):,.0f}"
        print(f"| {case} | {rows / middle:,.0f} | {spread} | {limit / middle:.2f} |")
    print(f"\n{rows:,} rows, {rounds} rounds; peak memory: worker {worker} MiB, its child {child} MiB")


if __name__ == "__main__":
    logging.disable(logging.INFO)
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--rows", type=int, default=1_000_000)
    words.add_argument("--rounds", type=int, default=3)
    given = words.parse_args()
    uvloop.run(measure(given.rows, given.rounds))
