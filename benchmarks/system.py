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
    """Where it is, its processes, and the environment that more of them would need."""

    url: str
    database_url: str
    api_pid: int
    worker_pids: list[int]
    environ: dict[str, str]

    def client(self) -> ClientSession:
        """A client of the API, with the admin's key."""
        return ClientSession(self.url, headers={"Authorization": f"Bearer {KEY}"})


@asynccontextmanager
async def running_system(data: Path, *, workers: int = 1) -> AsyncIterator[System]:
    """Start it on durable embedded servers below `data`, and end it in order."""
    async with embedded_servers(data, durable=True) as servers:
        await migrate(servers.database_url)
        port = free_port(str(data))
        environ = {
            "PORT": str(port),
            "DATABASE_URL": servers.database_url,
            "REDIS_URL": servers.redis_url,
            "LAVORI_DATA": str(data),
            "LAVORI_SECRET_KEYS": "a-secret-key-for-measuring-of-32-bytes",
            "LAVORI_ADMIN_KEY": KEY,
            "LAVORI_LOG_LEVEL": "warning",  # as under make run
        }
        async with process(environ, "-m", "service", "serve") as api:
            url = f"http://127.0.0.1:{port}"
            await answering(f"{url}/readyz")
            running = [process(environ, "-m", "service", "worker") for _ in range(workers)]
            pids = [await one.__aenter__() for one in running]
            try:
                yield System(url, servers.database_url, api, pids, environ)
            finally:
                for one in running:
                    await one.__aexit__(None, None, None)


@asynccontextmanager
async def process(environ: dict[str, str], *command: str) -> AsyncIterator[int]:
    """Run a Python of our own until the block ends; what it logs goes to a file beside its data."""
    with (Path(environ["LAVORI_DATA"]) / f"{command[-1]}.log").open("ab") as log:
        running = await asyncio.create_subprocess_exec(
            sys.executable, *command, env={**os.environ, **environ}, stdout=log, stderr=log
        )
    try:
        yield running.pid
    finally:
        if running.returncode is None:
            running.send_signal(signal.SIGTERM)
        await running.wait()


async def answering(url: str) -> None:
    """Wait until a server of ours answers with 200."""
    async with asyncio.timeout(START_SECONDS), ClientSession() as session:
        while True:
            try:
                async with session.get(url) as response:
                    if response.status == 200:
                        return
            except ClientError:
                pass
            await asyncio.sleep(0.05)


def memory_mib(pid: int, line: str = "VmRSS") -> float:
    """What a process holds in memory, or (VmHWM) has held at most, in MiB; 0 when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    found = status.partition(f"{line}:")[2].split()
    return int(found[0]) / 1024 if found else 0.0


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def cpu_seconds(pid: int) -> float:
    """What a process has used of processors since it began."""
    times = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")
