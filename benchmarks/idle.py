"""What the system takes while there is nothing to do, and how soon its API is ready."""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.system import answering, cpu_seconds, memory_mib, process, running_system

SETTLE_SECONDS, IDLE_SECONDS = 3, 10


async def measure(asked: argparse.Namespace) -> list[Figure]:
    """Each run on a system of its own."""
    runs = [await _run() for _ in range(asked.runs)]
    ready, api, worker, api_cpu, worker_cpu = zip(*runs, strict=True)
    return [
        Figure("from start to ready", "s", ready, most=1.5),
        Figure("memory of the API", "MiB", api, most=120),
        Figure("memory of the worker", "MiB", worker, most=120),
        Figure("processor time of the API", "%", api_cpu, most=2),
        Figure("processor time of the worker", "%", worker_cpu, most=2),
    ]


async def _run() -> tuple[float, ...]:
    with tempfile.TemporaryDirectory(prefix="lavori-bench-") as folder:
        async with running_system(Path(folder)) as system:
            pids = (system.api_pid, system.worker_pids[0])
            await asyncio.sleep(SETTLE_SECONDS)
            before, began = [cpu_seconds(pid) for pid in pids], time.monotonic()
            await asyncio.sleep(IDLE_SECONDS)
            passed = time.monotonic() - began
            used = [100 * (cpu_seconds(pid) - was) / passed for pid, was in zip(pids, before, strict=True)]
            memory = [memory_mib(pid) for pid in pids]
            second = {**system.environ, "PORT": str(int(system.environ["PORT"]) + 1)}
            began = time.monotonic()
            async with process(second, "-m", "service", "serve", name="second"):
                await answering(f"http://127.0.0.1:{second['PORT']}/readyz")
                ready = time.monotonic() - began
    return ready, *memory, *used
