"""A soak: one fault after the other, drawn at random, under load; and what lived through it has not grown."""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import redis.asyncio

from api_process import memory_of
from fault_lab.load import Clients, clients_of, clients_of_another_tenant
from fault_lab.system import System, running_system
from own_postgres import OwnPostgres, own_postgres
from service.db.pool import create_pool
from service.jobs.reader import CACHE_BYTES, ENTRY_BYTES
from service.settings import Settings
from worker_process import OwnRedis

MIB = 1024 * 1024
GROWTH = 16 * MIB  # beside the cache of rendered jobs, which an API fills
OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND datname = current_database()
"""
RENDERED_BYTES = 1_100 + ENTRY_BYTES
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
BYTES_A_JOB = "SELECT pg_total_relation_size('jobs') / count(*) FROM jobs"


@dataclass(frozen=True, slots=True)
class Bench:
    """All that can be broken. The first API and the first worker are frozen at most: they live through it."""

    system: System
    postgres: OwnPostgres
    redis: OwnRedis
    dice: random.Random

    async def kill_a_worker(self) -> None:
        """Kill -9."""
        self.dice.choice(self.system.workers[1:]).kill()

    async def kill_an_api(self) -> None:
        """Kill -9, and another one as a supervisor does."""
        self.dice.choice(self.system.apis[1:]).signal(signal.SIGKILL)

    async def flush_redis(self) -> None:
        """Every hint is gone."""
        async with redis.asyncio.Redis.from_url(self.redis.url) as client:
            await client.flushall()

    async def stop_redis(self) -> None:
        """Away for two seconds."""
        self.redis.stop()
        await asyncio.sleep(2)
        await asyncio.to_thread(self.redis.start)

    async def freeze_redis(self) -> None:
        """Hung for two seconds."""
        self.redis.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(2)
        finally:
            self.redis.signal(signal.SIGCONT)

    async def restart_postgres(self) -> None:
        """Ended in order, or as in a crash."""
        await self.postgres.stop(self.dice.choice((signal.SIGINT, signal.SIGQUIT)))
        await asyncio.sleep(1)
        await self.postgres.start()

    async def end_connections(self) -> None:
        """All of them, at once."""
        await self.system.pool.fetch(OTHERS)

    async def freeze_a_worker(self) -> None:
        """For twice its lease: it comes back as one who has lost everything."""
        worker = self.system.workers[0]
        worker.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(2 * self.system.settings.lease_seconds)
        finally:
            worker.signal(signal.SIGCONT)

    def faults(self, count: int) -> list[Callable[[], Awaitable[None]]]:
        """So many, each kind as often as any other."""
        kinds = [
            self.kill_a_worker,
            self.kill_an_api,
            self.flush_redis,
            self.stop_redis,
            self.freeze_redis,
            self.restart_postgres,
            self.end_connections,
            self.freeze_a_worker,
        ]
        self.dice.shuffle(kinds)
        return [kinds[number % len(kinds)] for number in range(count)]


async def load(clients: Clients, system: System, until: asyncio.Event) -> None:
    """Submit with keys and read, three at once, some five jobs a second."""

    async def client(number: int) -> None:
        body = {"type": "marked", "args": {"diary": str(system.diary), "seconds": 0.2}}
        count = 0
        while not until.is_set():
            count += 1
            job_id = await clients.submit(f"{number}.{count}", body, 90)
            for _ in range(3):
                await clients.ask("read", "GET", f"/api/jobs/{job_id}")
                await asyncio.sleep(0.1)

    await asyncio.gather(*(client(number) for number in range(3)))


def descriptors(pid: int) -> int:
    """How many files a process holds open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.fault(
    "F36", "{faults} faults at random, one each {seconds} s, under load", faults=(8, 60), seconds=(1, 30)
)
async def test_a_soak_breaks_no_promise_and_nothing_grows(
    settings: Settings, tmp_path: Path, own_redis: OwnRedis, faults: int, seconds: int
) -> None:
    async with own_postgres(tmp_path) as postgres:
        pool = await create_pool(postgres.url, size=4, application="tests")
        settings = replace(settings, database_url=postgres.url, redis_url=own_redis.url)
        try:
            async with (
                running_system(settings, pool, apis=2, workers=3) as system,
                clients_of(system) as clients,
                await clients_of_another_tenant(system) as others,
            ):
                until = asyncio.Event()
                async with asyncio.TaskGroup() as loading:
                    for some in (clients, others):
                        loading.create_task(load(some, system, until))
                    await asyncio.sleep(3)
                    living = {"API": system.apis[0].pid, "worker": system.workers[0].pid}
                    held = {name: (memory_of(pid), descriptors(pid)) for name, pid in living.items()}
                    bench = Bench(system, postgres, own_redis, random.Random(36))
                    for fault in bench.faults(faults):
                        began = time.monotonic()
                        await fault()
                        await asyncio.sleep(max(0.0, seconds - (time.monotonic() - began)))
                    until.set()
                await system.check(60)
                cached = min(CACHE_BYTES, await pool.fetchval("SELECT count(*) FROM jobs") * RENDERED_BYTES)
                for name, pid in living.items():
                    assert memory_of(pid) < held[name][0] + GROWTH + (cached if name == "API" else 0), name
                    assert descriptors(pid) < held[name][1] + 30, name
                assert await pool.fetchval(CONNECTIONS) < 100
                assert await pool.fetchval(BYTES_A_JOB) < 4_000, "dead rows are not used again"
        finally:
            pool.terminate()
