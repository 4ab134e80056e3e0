"""The whole system as processes of their own, for measuring: servers, one API, workers."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import uvloop
from aiohttp import ClientError, ClientSession

from service.db.migrate import migrate
from service.dev.embedded import Servers, embedded_servers
from service.dev.ports import free_port

T = TypeVar("T")

KEY = "an-admin-key-for-measuring"
START_SECONDS = 20
STOP_SECONDS = 45


def run_or_end(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end. SIGTERM cancels it, so that what it has started ends first; then raises SystemExit."""

    async def ending() -> T:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return uvloop.run(ending())
    except asyncio.CancelledError:
        raise SystemExit(128 + signal.SIGTERM) from None


async def output_of(*command: str, cwd: Path | None = None, errors: int | None = None) -> tuple[bytes, int]:
    """Run a program to its end: what it has written, and its exit status. Cancelled, it ends what it has started."""
    running = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=errors, start_new_session=True
    )
    try:
        written, _ = await running.communicate()
        return written, await running.wait()
    finally:
        if running.returncode is None:
            os.killpg(running.pid, signal.SIGKILL)


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


def settings_of(servers: Servers, data: Path, port: int) -> dict[str, str]:
    """The environment of API and workers."""
    return {
        "PORT": str(port),
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": servers.redis_url,
        "LAVORI_DATA": str(data),
        "LAVORI_SECRET_KEYS": "a-secret-key-for-measuring-of-32-bytes",
        "LAVORI_ADMIN_KEY": KEY,
        "LAVORI_LOG_LEVEL": "warning",  # as under make run
    }


@asynccontextmanager
async def running_system(
    data: Path, *, workers: int = 1, more: Mapping[str, str] | None = None
) -> AsyncIterator[System]:
    """Start it on durable embedded servers below `data`, with `more` settings, and end it in order."""
    async with embedded_servers(data, durable=True) as servers, AsyncExitStack() as stack:
        await migrate(servers.database_url)
        environ = {**settings_of(servers, data, free_port(str(data))), **(more or {})}
        api = await stack.enter_async_context(process(environ, "-m", "service", "serve"))
        url = f"http://127.0.0.1:{environ['PORT']}"
        await answering(f"{url}/readyz")
        running = [process(environ, "-m", "service", "worker") for _ in range(workers)]
        pids = [await stack.enter_async_context(one) for one in running]
        yield System(url, servers.database_url, api, pids, environ)


@asynccontextmanager
async def process(
    environ: Mapping[str, str],
    *command: str,
    program: str = sys.executable,
    name: str | None = None,
    ends: bool = False,
) -> AsyncIterator[int]:
    """Run a program, a Python of our own unless said, until the block ends, or (`ends`) until it ends by itself.

    What it logs goes to a file beside its data. Whatever it has started and left behind ends with it.
    """
    log = Path(environ["LAVORI_DATA"]) / f"{name or command[-1]}.log"
    with log.open("ab") as file:
        running = await asyncio.create_subprocess_exec(
            program, *command, env={**os.environ, **environ}, stdout=file, stderr=file, start_new_session=True
        )
    try:
        yield running.pid
        if ends and await running.wait():
            raise SystemExit(f"{' '.join(command)} failed: {log.read_text(errors='replace')[-2_000:]}")
    finally:
        if running.returncode is None:
            running.send_signal(signal.SIGTERM)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await running.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
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
