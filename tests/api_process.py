"""API processes, to be killed, told to stop and started again; and streams that a test reads event by event."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson
from aiohttp import ClientError, ClientResponse, ClientSession, TCPConnector

from dev_run import free_port
from service.settings import Settings

ROOT = Path(__file__).parents[1]


class ApiProcess:
    """`python -m service serve` at a port that it keeps when it is started again; `module` stands in for `service`."""

    def __init__(
        self,
        settings: Settings,
        port: int | None = None,
        environ: Mapping[str, str] | None = None,
        module: str = "service",
    ) -> None:
        self.module = module
        assert settings.database_url is not None
        assert settings.redis_url is not None
        assert settings.admin_key is not None
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._headers = {"Authorization": f"Bearer {settings.admin_key}"}
        ours = {
            "PORT": str(self.port),
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
            "LAVORI_DATA": str(settings.data),
            "LAVORI_SECRET_KEYS": ",".join(settings.secret_keys),
            "LAVORI_ADMIN_KEY": settings.admin_key,
            "LAVORI_LOG_LEVEL": "warning",
            "JOB_TYPES": "engine_jobs",
            "PYTHONPATH": str(ROOT / "tests"),
        }
        self._environ = {**os.environ, **ours, **(environ or {})}
        self._log = settings.data / f"api-{time.monotonic_ns()}.log"
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", self.module, "serve"],
                cwd=ROOT,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def session(self) -> ClientSession:
        """A client with the admin's key, for as many connections as it likes."""
        return ClientSession(self.url, headers=self._headers, connector=TCPConnector(limit=0))

    async def until_ready(self) -> Self:
        """Wait until it answers, in this very process: no other may have the port's connections."""
        async with asyncio.timeout(30), ClientSession(self.url) as session:
            while True:
                assert self._process.poll() is None, self.said
                try:
                    async with session.get("/readyz") as response:
                        if response.status == 200:
                            return self
                except (ClientError, OSError):
                    pass
                await asyncio.sleep(0.05)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def said(self) -> str:
        return self._log.read_text()

    @property
    def memory(self) -> int:
        """What it holds in memory, in bytes."""
        return memory_of(self._process.pid)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def exit_code(self, seconds: float) -> int:
        """Wait for its end."""
        async with asyncio.timeout(seconds):
            while (code := self._process.poll()) is None:
                await asyncio.sleep(0.01)
        return code

    def start_again_if_ended(self) -> bool:
        """As a supervisor does; answers whether it had ended."""
        if self._process.poll() is None:
            return False
        self._process = self._start()
        return True

    def set(self, **environ: str) -> None:
        """Change the environment of those that are started from now on."""
        self._environ |= environ

    async def kill_and_start_again(self) -> None:
        """Kill -9, and start another one as a supervisor does."""
        self._process.kill()
        self._process.wait()
        self._process = self._start()
        await self.until_ready()


def memory_of(pid: int) -> int:
    """What a process holds in memory, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


class Event(NamedTuple):
    """One event of a stream; `id` is the last one that the stream has told, as a browser would keep it."""

    name: str
    id: int | None
    data: Any


async def events(response: ClientResponse) -> AsyncIterator[Event]:
    """The events of a stream, parsed as the standard says."""
    assert response.status == 200, await response.text()
    name, last_id, data = "", None, b""
    while line := await response.content.readline():
        field, _, value = line.rstrip(b"\n").partition(b": ")
        if field == b"event":
            name = value.decode()
        elif field == b"id":
            last_id = int(value)
        elif field == b"data":
            data = value
        elif not line.strip():
            if data:
                yield Event(name, last_id, orjson.loads(data))
            name, data = "", b""


async def follow(api: ClientSession, path: str, is_last: Callable[[Event], bool], told: list[Event]) -> int:
    """Read a stream until an event is the last one, and come back with Last-Event-ID whenever it ends before that.

    Answers how often it did not end but break off.
    """
    last: int | None = None
    broken = 0
    while not told or not is_last(told[-1]):
        headers = {} if last is None else {"Last-Event-ID": str(last)}
        try:
            async with api.get(path, headers=headers) as response:
                async for event in events(response):
                    last = event.id or last
                    told.append(event)
                    if is_last(event):
                        return broken
        except (ClientError, OSError):
            broken += 1
            await asyncio.sleep(0.05)
    return broken
