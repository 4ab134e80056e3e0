"""How fast one worker process gets through jobs that do nothing but report three times.

The jobs are all there before the worker starts. The time is that of the database's clock, from the first claim to the
last end.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

import asyncpg

from benchmarks.figures import Figure
from benchmarks.system import cpu_seconds, process, running_system

JOBS, BATCH = 10_000, 1_000
LEFT = "SELECT EXISTS (SELECT FROM jobs WHERE status IN ('pending', 'running'))"
TAKEN = "SELECT extract(epoch FROM max(terminated_at) - min(started_at))::float8 FROM jobs WHERE status = 'finished'"


async def measure(asked: argparse.Namespace) -> list[Figure]:
    """Each run on a system of its own."""
    runs = [await _run() for _ in range(asked.runs)]
    return [
        Figure(
            "jobs with three reports, one worker process", "jobs/s", [rate for rate, _ in runs], least=2_000
        ),
        Figure("processor time of the worker for each", "µs", [cost for _, cost in runs]),
    ]


async def _run() -> tuple[float, float]:
    with tempfile.TemporaryDirectory(prefix="lavori-bench-") as folder:
        more = {"JOB_TYPES": "benchmarks.reporting_job"}
        async with running_system(Path(folder), workers=0, more=more) as system, system.client() as api:
            for _ in range(0, JOBS, BATCH):
                async with api.post("/api/jobs/batch", json=[{"type": "three_reports"}] * BATCH) as response:
                    if any(one["status"] != 201 for one in await response.json()):
                        raise SystemExit("a job was refused")
            database = await asyncpg.connect(system.database_url)
            async with process(system.environ, "-m", "service", "worker") as worker:
                async with asyncio.timeout(120):
                    while await database.fetchval(LEFT):
                        await asyncio.sleep(0.1)
                cost = cpu_seconds(worker) * 1e6 / JOBS
            seconds: float = await database.fetchval(TAKEN)
            await database.close()
    return JOBS / seconds, cost
