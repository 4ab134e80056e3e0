"""API processes, to be killed, told to stop and started again; and streams that a test reads event by event."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson
from aiohttp import ClientError, ClientResponse, ClientSession, TCPConnector

from dev_run import free_port
from service.settings import Settings
from service_process import ServiceProcess


class ApiProcess(ServiceProcess):
    """`python -m service serve` at a port that it keeps when it is started again."""

    def __init__(
        self,
        settings: Settings,
        port: int | None = None,
        environ: Mapping[str, str] | None = None,
        module: str = "service",
    ) -> None:
        assert settings.admin_key is not None
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._headers = {"Authorization": f"Bearer {settings.admin_key}"}
        ours = {"PORT": str(self.port), "LAVORI_ADMIN_KEY": settings.admin_key}
        super().__init__("serve", settings, ours | {**(environ or {})}, module)

    def session(self) -> ClientSession:
        """A client with the admin's key, for as many connections as it likes."""
        return ClientSession(self.url, headers=self._headers, connector=TCPConnector(limit=0))

    async def until_ready(self) -> Self:
        """Wait until it answers, in this very process: no other may have the port's connections."""
        async with asyncio.timeout(30), ClientSession(self.url) as session:
            while True:
                assert not self.ended(), self.said
                try:
                    async with session.get("/readyz") as response:
                        if response.status == 200:
                            return self
                except (ClientError, OSError):
                    pass
                await asyncio.sleep(0.05)

    @property
    def memory(self) -> int:
        """What it holds in memory, in bytes."""
        return memory_of(self.pid)

    async def exit_code(self, seconds: float) -> int:
        """Wait for its end."""
        async with asyncio.timeout(seconds):
            while (code := self._process.poll()) is None:
                await asyncio.sleep(0.01)
        return code

    async def kill_and_start_again(self) -> None:
        """Kill -9, and start another one as a supervisor does."""
        self.kill()
        self.start_again_if_ended()
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
