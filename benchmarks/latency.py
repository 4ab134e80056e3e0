"""How soon an idle system starts a job.

One job at a time is submitted, with a pause before each. Shown are the times from the client's 201 and from the
commit's own timestamp (`created_at`) to the claim (`started_at`), both by this machine's one clock, to the millisecond.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from benchmarks.figures import Figure
from benchmarks.system import running_system

PAUSE_SECONDS = 0.05
WARM_UP = 10


async def measure(asked: argparse.Namespace) -> list[Figure]:
    """Submit jobs one by one; the percentiles of each run."""
    after: list[list[float]] = []
    since: list[list[float]] = []
    with tempfile.TemporaryDirectory() as folder:
        async with running_system(Path(folder)) as system, system.client() as session:
            for _ in range(WARM_UP):
                await _one(session)
            for _ in range(asked.runs):
                taken = [await _one(session) for _ in range(asked.samples)]
                after.append(_hundredths([one for one, _ in taken]))
                since.append(_hundredths([one for _, one in taken]))
    return [
        Figure("201 to running, p50", "ms", [cuts[49] for cuts in after], most=5),
        Figure("201 to running, p99", "ms", [cuts[98] for cuts in after], most=20),
        Figure("created to running, p50", "ms", [cuts[49] for cuts in since]),
        Figure("created to running, p99", "ms", [cuts[98] for cuts in since]),
    ]


async def _one(session: ClientSession) -> tuple[float, float]:
    await asyncio.sleep(PAUSE_SECONDS)
    async with session.post("/api/jobs", json={"type": "echo", "args": {"n": 1}}) as response:
        answered = time.time()
        made = await response.json()
        response.raise_for_status()
    ended = await _ended(session, made["id"])
    started = datetime.fromisoformat(ended["started_at"]).timestamp()
    return started - answered, started - datetime.fromisoformat(ended["created_at"]).timestamp()


async def _ended(session: ClientSession, job_id: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            await asyncio.sleep(0.02)
            async with session.get(f"/api/jobs/{job_id}") as response:
                job: dict[str, Any] = await response.json()
            if job["terminated_at"]:
                return job


def _hundredths(seconds: list[float]) -> list[float]:
    return [1000 * cut for cut in statistics.quantiles(seconds, n=100, method="inclusive")]
