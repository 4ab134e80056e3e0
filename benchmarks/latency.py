"""Measure how soon an idle system starts a job: python -m benchmarks.latency.

API, worker and servers are processes of their own. One job at a time is submitted, with a pause before each. Shown are
the times from the client's 201 and from the commit's own timestamp (`created_at`) to the claim (`started_at`), both by
this machine's one clock, to the millisecond; the aim is 5 ms for the median and 20 ms for the 99th percentile.
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

from benchmarks.system import KEY, running_system


async def measure(samples: int, pause: float) -> None:
    """Submit jobs one by one and print the percentiles."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            running_system(Path(folder)) as system,
            ClientSession(system.url, headers={"Authorization": f"Bearer {KEY}"}) as session,
        ):
            taken = [await _one(session, pause) for _ in range(samples + 10)][10:]  # the first warm it up
    _show("201 to running", [after for after, _ in taken])
    _show("created to running", [since for _, since in taken])


async def _one(session: ClientSession, pause: float) -> tuple[float, float]:
    await asyncio.sleep(pause)
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


def _show(what: str, seconds: list[float]) -> None:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    shown = {"p50": cuts[49], "p90": cuts[89], "p99": cuts[98], "max": max(seconds)}
    figures = "   ".join(f"{name} {1000 * value:5.1f} ms" for name, value in shown.items())
    print(f"{what:20} {figures}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--pause", type=float, default=0.05, help="seconds before each job")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.samples, arguments.pause))
