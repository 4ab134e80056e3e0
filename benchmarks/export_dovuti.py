"""export_dovuti in each of its formats, and whether what comes out is right.

The report is downloaded over its link and read by another library (openpyxl, DuckDB), whose count and sum must be
PostgreSQL's; once, as reading a large sheet takes longer than all the rest.
"""

import argparse
import asyncio
import tempfile
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import asyncpg
import duckdb
import openpyxl
from aiohttp import ClientSession

from benchmarks.figures import Figure
from benchmarks.import_dovuti import SERVICE, peaks
from benchmarks.system import running_system

MAKE = """
INSERT INTO dovuti
SELECT 1, $1::uuid, to_char(300000000000000000 + n, 'FM000000000000000000'), to_char(n, 'FM00000000000000000'),
       (n % 1000000 + 1)::numeric / 100, 'Mensa scolastica, rata ' || n, date '2026-01-01' + n % 300,
       date '2026-02-01' + n % 300, 'F', 'RSSMRA80A01H501U', 'Mario Rossi ' || n, 'mario' || n || '@example.org',
       gen_random_uuid()
FROM generate_series(1, $2::int) AS n
"""
FORMATS = ("csv", "xlsx", "json", "parquet")
SUMS = "SELECT count(*), sum(amount) FROM dovuti"
READERS = {"csv": "read_csv", "json": "read_json", "parquet": "read_parquet"}


def sums(path: Path, wanted: str) -> tuple[int, Decimal]:
    """How many rows a file has, and the sum of their amounts."""
    if wanted == "xlsx":
        rows = openpyxl.load_workbook(path, read_only=True).worksheets[0].iter_rows(values_only=True)
        at = next(rows).index("amount")
        amounts = [Decimal(str(row[at])) for row in rows]
        return len(amounts), sum(amounts, Decimal(0))
    asked = f"SELECT count(*), sum(amount::DECIMAL(14, 2)) FROM {READERS[wanted]}('{path}')"
    ((count, total),) = duckdb.connect().execute(asked).fetchall()
    return count, total


async def export(api: ClientSession, wanted: str, path: Path) -> float:
    """Seconds of one job, from its start to its end by the database's clock; its file is at `path` then."""
    body = {"type": "export_dovuti", "args": {"service_id": SERVICE, "format": wanted}}
    async with api.post("/api/jobs", json=body) as response:
        job = await response.json()
    while job["status"] in ("pending", "running"):
        async with api.get(f"/api/jobs/{job['id']}?wait=20") as response:
            job = await response.json() if response.status == 200 else job
    if job["status"] != "finished":
        raise SystemExit(f"the job did not finish: {job}")
    async with api.get(job["publish_link"]) as response:
        with path.open("wb") as file:
            async for chunk in response.content.iter_chunked(1 << 20):
                file.write(chunk)
    began, ended = (datetime.fromisoformat(job[name]) for name in ("started_at", "terminated_at"))
    return (ended - began).total_seconds()


async def measure(asked: argparse.Namespace) -> list[Figure]:
    """All formats in turns."""
    rows: int = asked.rows
    rates: dict[str, list[float]] = {wanted: [] for wanted in FORMATS}
    sizes: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "system").mkdir()
        async with (
            running_system(folder / "system") as system,
            system.client() as api,
            peaks(system.worker_pids[0]) as memory,
        ):
            expected = await fill(system.database_url, rows)
            for run in range(asked.runs):
                for wanted in FORMATS:
                    path = folder / f"report.{wanted}"
                    rates[wanted].append(rows / await export(api, wanted, path))
                    sizes[wanted] = path.stat().st_size / (1 << 20)
                    if run == 0 and (found := await asyncio.to_thread(sums, path, wanted)) != expected:
                        raise SystemExit(f"{wanted} holds {found}, and not {expected}")
    return [
        *(Figure(wanted, "rows/s", taken) for wanted, taken in rates.items()),
        *(Figure(f"size of {wanted}", "MiB", [size]) for wanted, size in sizes.items()),
        Figure(f"peak memory of the worker, {rows:,} rows", "MiB", memory[:1]),
        Figure("peak memory of its child that writes", "MiB", memory[1:]),
    ]


async def fill(dsn: str, rows: int) -> tuple[int, Decimal]:
    """Make the dues; answers how many, and the sum of their amounts."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(MAKE, SERVICE, rows)
    await connection.execute("VACUUM ANALYZE dovuti")
    ((count, total),) = await connection.fetch(SUMS)
    await connection.close()
    return count, total
