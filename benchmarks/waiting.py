"""Measure clients that wait, half by long poll and half by event stream, on one API process.

    python -m benchmarks.waiting [--clients 10000] [--idle 20]

Each waits for a job of its own. Shown are the API's memory before and with them, its processor time while nothing
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

import uvloop
from aiohttp import ClientSession

from benchmarks.system import KEY, System, cpu_seconds, memory_mib, running_system

BATCH = 1_000
CHANGES = 300
WAIT_SECONDS = 60


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


def quantiles(seconds: list[float]) -> str:
    points = statistics.quantiles(seconds, n=100)
    return f"p50 {points[49] * 1000:.1f} ms, p95 {points[94] * 1000:.1f} ms, max {max(seconds) * 1000:.1f} ms"


async def measure(clients: int, idle_seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with running_system(Path(folder), workers=0) as system:
            headers = {"Authorization": f"Bearer {KEY}"}
            async with ClientSession(system.url, headers=headers) as session:
                ids = await submit(session, clients)
                before = memory_mib(system.api_pid)
                waiting = [Client(system, job_id, streams=n % 2 == 0) for n, job_id in enumerate(ids)]
                tasks = []
                for start in range(0, clients, 200):
                    some = waiting[start : start + 200]
                    tasks += [asyncio.create_task(client.run()) for client in some]
                    await asyncio.gather(*(client.listening.wait() for client in some))
                await asyncio.sleep(2)
                print(
                    f"{clients} clients wait; memory {before:.0f} MiB before, {memory_mib(system.api_pid):.0f} MiB now"
                )
                used, began = cpu_seconds(system.api_pid), time.perf_counter()
                await asyncio.sleep(idle_seconds)
                share = (cpu_seconds(system.api_pid) - used) / (time.perf_counter() - began)
                print(f"idle for {idle_seconds:.0f} s: {share * 100:.1f} % of a processor")
                late = []
                for client in waiting[:CHANGES]:
                    answered = await suspend(session, client.job_id)
                    late.append(max(0.0, await client.heard - answered))
                print(f"{CHANGES} changes one after the other: {quantiles(late)}")
                rest = waiting[CHANGES:]
                began = time.perf_counter()
                async with session.post(
                    "/api/jobs/actions", json={"action": "suspend", "filter": {"status": "pending"}}
                ) as response:
                    await response.read()
                took = time.perf_counter() - began
                heard = await asyncio.gather(*(client.heard for client in rest))
                print(
                    f"all {len(rest)} others changed in {took:.1f} s; the last one heard of it"
                    f" {max(0.0, max(heard) - began - took) * 1000:.0f} ms after"
                )
                print(f"memory {memory_mib(system.api_pid):.0f} MiB after")
                await asyncio.gather(*tasks)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--clients", type=int, default=10_000)
    arguments.add_argument("--idle", type=float, default=20.0)
    given = arguments.parse_args()
    uvloop.run(measure(given.clients, given.idle))
