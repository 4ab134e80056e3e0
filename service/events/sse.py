"""Server-Sent Events (WHATWG HTML, section 9.2): how an event is written, and a response that survives slow readers."""

import asyncio
from typing import Self

from aiohttp import web

RECONNECT_MS = 2_000
SLOWEST_READER_SECONDS = 30.0
PING = b": ping\n\n"
PING_SECONDS = 10.0


def event(name: str, data: bytes, event_id: int | None = None) -> bytes:
    """One event; `data` is JSON on one line, so it needs no splitting."""
    head = b"" if event_id is None else b"id: %d\n" % event_id
    return b"%sevent: %s\ndata: %s\n\n" % (head, name.encode(), data)


def last_event_id(request: web.Request) -> int | None:
    """Where the client left off: the header of a reconnection, or `?last_event_id=`; None for what is no number."""
    given = request.headers.get("Last-Event-ID") or request.query.get("last_event_id")
    return int(given) if given and given.isdecimal() and len(given) <= 18 else None  # noqa: PLR2004


class EventStream:
    """A response of events. Writing to a client that has gone raises ConnectionResetError; one too slow is cut off."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
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
        return self

    async def write(self, data: bytes) -> None:
        """Send events."""
        if self._request.transport is None or self._request.transport.is_closing():
            raise ConnectionResetError
        async with asyncio.timeout(SLOWEST_READER_SECONDS):
            await self._response.write(data)

    async def close(self) -> web.StreamResponse:
        """End the stream in order."""
        await self._response.write_eof()
        return self._response

    @property
    def response(self) -> web.StreamResponse:
        """What the handler returns."""
        return self._response
