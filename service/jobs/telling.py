"""What all event streams do: tell, wait, tell again, and know when to end."""

from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from service.access.middleware import identify
from service.errors import Unauthenticated, Unavailable
from service.events.hub import HUB, Watcher
from service.events.sse import RECONNECT_MS, ClientLeft, EventStream, has_left
from service.web.middleware import is_unreachable

log = structlog.get_logger()

AGAIN_SECONDS = 1.0  # after which a stream looks whether PostgreSQL is back
_DRAINING = b"retry: %d\n: the server is draining\n\n" % (RECONNECT_MS // 4)

Tell = Callable[[], Awaitable[bool]]
"""Tells the client what is new, if anything is; True when nothing will follow."""


async def keep_telling(
    request: web.Request, stream: EventStream, watcher: Watcher, tell: Tell
) -> web.StreamResponse:
    """Tell at once and at each change, until `tell` says so, the server drains, or the caller's token is worthless.

    While PostgreSQL is away the client gets its pings, and then what it has missed.
    """

    def beat() -> None:
        if not stream.beat():
            watcher.wake()

    watcher.beat = beat
    try:
        await stream.open()
        while not (ended := await _is_told(request, tell)):
            if request.app[HUB].is_draining():
                await stream.write(_DRAINING)
                break
            await watcher.changed(AGAIN_SECONDS if ended is None else None)
            if has_left(request):
                return stream.response
        await stream.close()
    except ClientLeft:
        log.debug("the client of a stream has left", action="stream.left")
    except Exception:
        log.exception("a stream broke", action="stream.error")
        if request.transport is not None:
            request.transport.abort()  # the headers are out: no problem can follow them
    return stream.response


async def _is_told(request: web.Request, tell: Tell) -> bool | None:
    """Whether all is told; None when nobody can say now."""
    try:
        await identify(request)
        return await tell()
    except Unauthenticated:
        return True
    except Exception as error:
        if isinstance(error, Unavailable) or is_unreachable(error):
            return None
        raise
