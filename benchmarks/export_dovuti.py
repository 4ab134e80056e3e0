"""Measure export_dovuti, and check what comes out: python -m benchmarks.export_dovuti.

Servers, API and worker are started for it, the worker as a process of its own. The report is downloaded over its
link and read by another library (openpyxl, DuckDB), whose count and sum must be PostgreSQL's. Shown are rows per
second, the file's size, and peak memory.
"""

import argparse
import asyncio
import logging
import tempfile
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import asyncpg
import duckdb
import openpyxl
import uvloop
from aiohttp import ClientSession

from benchmarks.import_dovuti import SERVICE, system

MAKE = """
INSERT INTO dovuti
SELECT 1, $1::uuid, to_char(300000000000000000 + n, 'FM000000000000000000'), to_char(n, 'FM00000000000000000'),
       (n % 1000000 + 1)::numeric / 100, 'Mensa scolastica, rata ' || n, date '2026-01-01' + n % 300,
       date '2026-02-01' + n % 300, 'F', 'RSSMRA80A01H501U', 'Mario Rossi ' || n, 'mario' || n || '@example.org',
       gen_random_uuid()
FROM generate_series(1, $2::int) AS n
"""
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


def room(folder: Path) -> Path:
    """A place for the servers, which may run as another user."""
    folder.chmod(0o755)
    (folder / "system").mkdir()
    return folder / "system"


async def measure(rows: int, formats: list[str]) -> None:
    """Measure, check and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with system(room(folder)) as (dsn, api, told):
            connection = await asyncpg.connect(dsn)
            await connection.execute(MAKE, SERVICE, rows)
            await connection.execute("VACUUM ANALYZE dovuti")
            expected = tuple(await connection.fetchrow(SUMS))
            await connection.close()
            print("| format | rows/s | seconds | MiB | read back | equal |\n|---|---|---|---|---|---|")
            for wanted in formats:
                path = folder / f"report.{wanted}"
                seconds = await export(api, wanted, path)
                count, total = await asyncio.to_thread(sums, path, wanted)
                size = path.stat().st_size / (1 << 20)
                print(
                    f"| {wanted} | {rows / seconds:,.0f} | {seconds:.1f} | {size:.1f} | {count:,} rows, {total} "
                    f"| {(count, total) == expected} |"
                )
            worker, child = told()
    print(f"\n{rows:,} rows; peak memory: worker {worker} MiB, its child {child} MiB")


if __name__ == "__main__":
    logging.disable(logging.INFO)
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--rows", type=int, default=1_000_000)
    words.add_argument("--formats", nargs="+", default=["csv", "xlsx", "json", "parquet"])
    given = words.parse_args()
    uvloop.run(measure(given.rows, given.formats))
