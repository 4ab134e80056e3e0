"""The whole system as processes of their own, for measuring: servers, one API, workers."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientError, ClientSession

from service.db.migrate import migrate
from service.dev.embedded import embedded_servers
from service.dev.ports import free_port

KEY = "an-admin-key-for-measuring"
START_SECONDS = 20


@dataclass(frozen=True, slots=True)
class System:
    """Where it is, and its processes."""

    url: str
    database_url: str
    redis_url: str
    api_pid: int
    worker_pids: list[int]


@asynccontextmanager
async def running_system(data: Path, *, workers: int = 1, **environment: str) -> AsyncIterator[System]:
    """Start it on durable embedded servers below `data`, and end it in order."""
    async with embedded_servers(data, durable=True) as servers:
        await migrate(servers.database_url)
        port = free_port(str(data))
        env = {
            **os.environ,
            "PORT": str(port),
            "DATABASE_URL": servers.database_url,
            "REDIS_URL": servers.redis_url,
            "LAVORI_DATA": str(data),
            "LAVORI_SECRET_KEYS": "a-secret-key-for-measuring-of-32-bytes",
            "LAVORI_ADMIN_KEY": KEY,
            "LAVORI_LOG_LEVEL": "error",
            **environment,
        }
        processes = [await _start(env, "serve")]
        try:
            url = f"http://127.0.0.1:{port}"
            await _ready(url)
            processes += [await _start(env, "worker") for _ in range(workers)]
            pids = [process.pid for process in processes]
            yield System(url, servers.database_url, servers.redis_url, pids[0], pids[1:])
        finally:
            for process in reversed(processes):
                if process.returncode is None:
                    process.send_signal(signal.SIGTERM)
                await process.wait()


async def _start(env: dict[str, str], command: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "service", command, env=env)


async def _ready(url: str) -> None:
    async with asyncio.timeout(START_SECONDS), ClientSession() as session:
        while True:
            try:
                async with session.get(f"{url}/readyz") as response:
                    if response.status == 200:
                        return
            except ClientError:
                pass
            await asyncio.sleep(0.05)


def memory_mib(pid: int) -> float:
    """What a process holds in memory, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def cpu_seconds(pid: int) -> float:
    """What a process has used of processors since it began."""
    times = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")
