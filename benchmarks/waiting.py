"""Clients that wait, half by long poll and half by event stream, on one API process.

Each waits for a job of its own. Measured are the API's memory before and with them, its processor time while nothing
happens, and how long after the answer to a change its waiter has heard of it: of changes one after the other, and of
all at once.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path

from aiohttp import ClientSession

from benchmarks.figures import Figure
from benchmarks.system import KEY, System, cpu_seconds, memory_mib, running_system

BATCH = 1_000
CHANGES = 300
WAIT_SECONDS = 60
IDLE_SECONDS = 10
SETTLE_SECONDS = 2


class Client:
    """A bare connection that waits for one job; aiohttp's client would need the memory and time that are measured."""

    def __init__(self, system: System, job_id: str, *, streams: bool) -> None:
        self.job_id = job_id
        self.streams = streams
        self.heard: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.listening = asyncio.Event()
        _, _, address = system.url.partition("//")
        self._host, _, port = address.partition(":")
        self._port = int(port)

    async def run(self) -> None:
        """Connect, wait, and note when the news came."""
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=2**17)
        common = f"Host: {self._host}\r\nAuthorization: Bearer {KEY}\r\n"
        if self.streams:
            writer.write(f"GET /api/jobs/{self.job_id}/events HTTP/1.1\r\n{common}\r\n".encode())
            await reader.readuntil(b'"purge_at":null}\n\n')
            self.listening.set()
            while True:
                line = await reader.readline()
                if line.startswith(b"data: "):
                    break
        else:
            path = f"/api/jobs/{self.job_id}?wait={WAIT_SECONDS}"
            self.listening.set()
            while True:
                writer.write(f'GET {path} HTTP/1.1\r\n{common}If-None-Match: "1"\r\n\r\n'.encode())
                status = await reader.readline()
                await reader.readuntil(b"\r\n\r\n")
                if b" 304 " not in status:
                    break
        self.heard.set_result(time.perf_counter())
        writer.close()


async def submit(session: ClientSession, count: int) -> list[str]:
    """Jobs that no worker takes: there is none."""
    ids: list[str] = []
    for start in range(0, count, BATCH):
        jobs = [{"type": "echo", "args": {"n": n}} for n in range(start, min(count, start + BATCH))]
        async with session.post("/api/jobs/batch", json=jobs) as response:
            ids += [one["job"]["id"] for one in json.loads(await response.read())]
    return ids


async def suspend(session: ClientSession, job_id: str) -> float:
    async with session.post(f"/api/jobs/{job_id}/suspend") as response:
        await response.read()
    return time.perf_counter()


async def measure(asked: argparse.Namespace) -> list[Figure]:
    """Each run on a system of its own; a figure's values are those of the runs."""
    runs = [await _run(asked.clients) for _ in range(asked.runs)]
    before, holding, idle, p50, p95, last = zip(*runs, strict=True)
    clients = f"{asked.clients:,} clients"
    return [
        Figure("memory of the API before", "MiB", before),
        Figure(f"memory with {clients}", "MiB", holding, most=400),
        Figure(f"processor time while {clients} wait for nothing", "%", idle, most=5),
        Figure("from a change to its waiter, p50", "ms", p50),
        Figure("from a change to its waiter, p95", "ms", p95, most=250),
        Figure("from a change of all to the last waiter", "ms", last),
    ]


async def _run(clients: int) -> tuple[float, ...]:
    with tempfile.TemporaryDirectory() as folder:
        async with running_system(Path(folder), workers=0) as system, system.client() as session:
            ids = await submit(session, clients)
            before = memory_mib(system.api_pid)
            waiting = [Client(system, job_id, streams=n % 2 == 0) for n, job_id in enumerate(ids)]
            tasks = []
            for start in range(0, clients, 200):
                some = waiting[start : start + 200]
                tasks += [asyncio.create_task(client.run()) for client in some]
                await asyncio.gather(*(client.listening.wait() for client in some))
            await asyncio.sleep(SETTLE_SECONDS)
            holding = memory_mib(system.api_pid)
            used, began = cpu_seconds(system.api_pid), time.perf_counter()
            await asyncio.sleep(IDLE_SECONDS)
            idle = 100 * (cpu_seconds(system.api_pid) - used) / (time.perf_counter() - began)
            late = []
            alone = min(CHANGES, clients // 2)
            for client in waiting[:alone]:
                answered = await suspend(session, client.job_id)
                late.append(1000 * max(0.0, await client.heard - answered))
            changed = await suspend_all(session)
            heard = await asyncio.gather(*(client.heard for client in waiting[alone:]))
            await asyncio.gather(*tasks)
    cuts = statistics.quantiles(late, n=100)
    return before, holding, idle, cuts[49], cuts[94], 1000 * max(0.0, max(heard) - changed)


async def suspend_all(session: ClientSession) -> float:
    """Suspend what still waits; answers when that was answered."""
    asked = {"action": "suspend", "filter": {"status": "pending"}}
    async with session.post("/api/jobs/actions", json=asked) as response:
        await response.read()
    return time.perf_counter()
