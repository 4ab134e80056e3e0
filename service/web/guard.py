"""A protocol guard: who takes too long to say what he wants is hung up on.

aiohttp (3.14) waits an hour for headers and for ever for a body; so a few thousand silent sockets would cost a server
all its file descriptors. Each connection has ten seconds from its first byte (the first one: from its beginning) until
the headers of a request are whole, and a body may not be silent for longer than half a minute while it is being read.
Between requests a connection may idle for as long as the keep-alive timeout says.

The classes here extend private parts of aiohttp, which is pinned; tests/acceptance/test_slow_clients.py watches.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

HEADER_SECONDS = 10.0
BODY_SECONDS = 30.0
LOOK_SECONDS = 1.0


class GuardedHandler(RequestHandler):
    """One connection, which knows since when it owes us something."""

    __slots__ = ("_guarded", "heard_at")

    def __init__(self, guarded: "GuardedServer", **kwargs: Any) -> None:
        super().__init__(guarded, **kwargs)
        self._guarded = guarded
        self.heard_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._guarded.owing[self] = self._loop.time()

    def data_received(self, data: bytes) -> None:
        """Take note of what comes in, and whether it made a request whole."""
        before = self._request_count
        super().data_received(data)
        self.heard_at = self._loop.time()
        if self._request_count != before:
            self._guarded.owing.pop(self, None)
        elif data and not self._request_in_progress:
            self._guarded.owing.setdefault(self, self.heard_at)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._guarded.owing.pop(self, None)

    def is_busy(self) -> bool:
        """Whether a request is whole and not yet answered: what came in is more of its body."""
        return self._request_in_progress or bool(self._messages)

    def is_stuck(self, since: float) -> bool:
        """Whether a handler has waited for more of a body since then; not, when it was the handler who was slow."""
        request = self._current_request
        return (
            request is not None
            and self.heard_at < since
            and not self._reading_paused
            and not request.content.is_eof()
        )


class GuardedServer(web.Server):
    """Makes guarded connections; `owing` are those that owe us the rest of a request's headers, the longest first."""

    def __init__(self, server: web.Server) -> None:
        super().__init__(
            server.request_handler,
            request_factory=server.request_factory,
            handler_cancellation=server.handler_cancellation,
            loop=server._loop,  # noqa: SLF001
            **server._kwargs,  # noqa: SLF001
        )
        self.owing: dict[GuardedHandler, float] = {}

    def __call__(self) -> GuardedHandler:
        """One more connection."""
        return GuardedHandler(self, loop=self._loop, **self._kwargs)

    async def guard(self) -> None:
        """Hang up on who is too slow, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = loop.time()
            for handler, since in list(self.owing.items()):
                if since > now - HEADER_SECONDS:
                    break
                del self.owing[handler]
                if not handler.is_busy():
                    _hang_up(handler)
            for connection in self.connections:
                if isinstance(connection, GuardedHandler) and connection.is_stuck(now - BODY_SECONDS):
                    _hang_up(connection)


def _hang_up(handler: RequestHandler) -> None:
    if handler.transport is not None:
        handler.transport.abort()


class GuardedRunner(web.AppRunner):
    """An AppRunner whose server is guarded."""

    async def _make_server(self) -> GuardedServer:
        return GuardedServer(await super()._make_server())


@contextlib.asynccontextmanager
async def guarding(runner: GuardedRunner) -> AsyncIterator[None]:
    """Guard the connections of a runner that has been set up."""
    server = runner.server
    assert isinstance(server, GuardedServer)  # noqa: S101 - it makes no other
    guard = asyncio.create_task(server.guard())
    try:
        yield
    finally:
        guard.cancel()
