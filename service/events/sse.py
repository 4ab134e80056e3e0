"""Server-Sent Events (WHATWG HTML, section 9.2): how an event is written, and a response that survives slow readers."""

import asyncio
from typing import Self

from aiohttp import hdrs, web

RECONNECT_MS = 2_000
SLOWEST_READER_SECONDS = 30.0
STUCK_BEATS = 3  # with nothing read in between: as long
PING = b": ping\n\n"
_PING_CHUNK = b"%x\r\n%s\r\n" % (len(PING), PING)


def event(name: str, data: bytes, event_id: int | None = None) -> bytes:
    """One event; `data` is JSON on one line, so it needs no splitting."""
    head = b"" if event_id is None else b"id: %d\n" % event_id
    return b"%sevent: %s\ndata: %s\n\n" % (head, name.encode(), data)


def last_event_id(request: web.Request) -> int | None:
    """Where the client left off: the header of a reconnection, or `?last_event_id=`; None for what is no number."""
    given = request.headers.get("Last-Event-ID") or request.query.get("last_event_id")
    return int(given) if given and given.isdecimal() and len(given) <= 18 else None  # noqa: PLR2004


class ClientLeft(Exception):
    """The client of a stream has gone, or reads too slowly."""


def has_left(request: web.Request) -> bool:
    """Whether the client has hung up: aiohttp lets its handler run on."""
    return request.transport is None or request.transport.is_closing()


class EventStream:
    """A response of events. Writing to a client that has gone, or is too slow, raises ClientLeft."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._stuck = 0
        self._ping = b""
        self._response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",  # nginx would else keep events back
            }
        )

    async def open(self) -> Self:
        """Send the headers, and how long to wait before a reconnection."""
        await self._response.prepare(self._request)
        await self.write(b"retry: %d\n\n" % RECONNECT_MS)
        chunked = self._response.headers.get(hdrs.TRANSFER_ENCODING) == "chunked"
        self._ping = _PING_CHUNK if chunked else PING
        return self

    async def write(self, data: bytes) -> None:
        """Send events."""
        if has_left(self._request):
            raise ClientLeft
        try:
            async with asyncio.timeout(SLOWEST_READER_SECONDS):
                await self._response.write(data)
        except (ConnectionError, TimeoutError) as error:
            raise ClientLeft from error

    def beat(self) -> bool:
        """Send a ping, past aiohttp's writer and without waking whoever writes; False when the client has gone.

        aiohttp gives the transport whole chunks, so one more always falls between two of them.
        """
        transport = self._request.transport
        if transport is None or transport.is_closing():
            return False
        if transport.get_write_buffer_size():
            self._stuck += 1
            if self._stuck >= STUCK_BEATS:
                transport.abort()
                return False
        elif self._ping:
            self._stuck = 0
            transport.write(self._ping)
        return True

    async def close(self) -> None:
        """End the stream in order."""
        self._ping = b""
        try:
            await self._response.write_eof()
        except ConnectionError as error:
            raise ClientLeft from error

    @property
    def response(self) -> web.StreamResponse:
        """What the handler returns."""
        return self._response
