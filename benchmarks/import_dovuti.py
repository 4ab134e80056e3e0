"""import_dovuti beside parse-and-COPY of the same file.

Parse-and-COPY is what any import has to do at least: csv module, values converted, rows to a table without an index,
nothing checked. Shown are rows per second, the second import of the same file, and peak memory. The job comes in over
HTTP and is polled, as a user's would be.
"""

import argparse
import asyncio
import csv
import json
import multiprocessing
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import uvloop
from aiohttp import ClientSession, FormData

from benchmarks import make_dovuti
from benchmarks.figures import Figure, ratio
from benchmarks.system import children, memory_mib, running_system

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


async def measure_import(api: ClientSession, path: Path) -> tuple[float, dict[str, int], int]:
    """One job: seconds from its start to its end by the database's clock, its counts, how many percents were seen."""
    form = FormData()
    asked = {"type": "import_dovuti", "args": {"service_id": SERVICE}}
    form.add_field("job", json.dumps(asked), content_type="application/json")
    form.add_field("attachment", path.open("rb"), filename="dovuti.csv", content_type="text/csv")
    async with api.post("/api/jobs", data=form) as response:
        job = await response.json()
        response.raise_for_status()
    seen = set()
    while job["status"] in ("pending", "running"):
        await asyncio.sleep(0.1)
        async with api.get(f"/api/jobs/{job['id']}") as response:
            job = await response.json()
        seen.add(job["percent_completed"])
    if job["status"] != "finished":
        raise SystemExit(f"the import ended as {job['status']}: {job['output']}")
    began, ended = (datetime.fromisoformat(job[name]) for name in ("started_at", "terminated_at"))
    return (ended - began).total_seconds(), json.loads(job["output"]), len(seen)


@asynccontextmanager
async def peaks(pid: int) -> AsyncIterator[list[float]]:
    """The most memory, in MiB, that a worker had, and the child of it that had the most; grows while the block runs."""
    most = [0.0, 0.0]

    async def watch() -> None:
        while True:
            child = max((memory_mib(one, "VmHWM") for one in children(pid)), default=0.0)
            most[:] = max(most[0], memory_mib(pid, "VmHWM")), max(most[1], child)
            await asyncio.sleep(0.2)

    watching = asyncio.create_task(watch())
    try:
        yield most
    finally:
        watching.cancel()


async def measure(asked: argparse.Namespace) -> list[Figure]:
    """In turns: parse-and-COPY, the import, the same file again; then the dues are gone."""
    rows: int = asked.rows
    copied, imported, again, percents, added = [], [], [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "dovuti.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            file.writelines(make_dovuti.lines(rows))
        (folder / "system").mkdir()
        async with (
            running_system(folder / "system") as system,
            system.client() as api,
            peaks(system.worker_pids[0]) as memory,
        ):
            for _ in range(asked.runs):
                copied.append(rows / await asyncio.to_thread(measure_copy, system.database_url, path))
                seconds, counts, seen = await measure_import(api, path)
                if counts["imported"] != rows:
                    raise SystemExit(f"not all rows were imported: {counts}")
                imported.append(rows / seconds)
                percents.append(seen)
                seconds, counts, _ = await measure_import(api, path)
                again.append(rows / seconds)
                added.append(counts["imported"])
                connection = await asyncpg.connect(system.database_url)
                await connection.execute("TRUNCATE dovuti")
                await connection.close()
    limit, import_ = Figure("parse-and-COPY", "rows/s", copied), Figure("import_dovuti", "rows/s", imported)
    return [
        limit,
        import_,
        Figure("the same file again", "rows/s", again),
        ratio(import_, limit, 0.4),
        Figure("new dues of the same file again", "", added, most=0),
        Figure("different percents that a poller saw", "", percents),
        Figure(f"peak memory of the worker, {rows:,} rows", "MiB", memory[:1], most=300),
        Figure("peak memory of its child that reads", "MiB", memory[1:]),
    ]
