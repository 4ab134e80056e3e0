"""GET /metrics, for Prometheus: open to all, unless LAVORI_METRICS_TOKEN is set."""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable

import asyncpg
import structlog
from aiohttp import hdrs, web
from prometheus_client.exposition import choose_encoder

from service.db.pool import UNREACHABLE
from service.errors import Unauthenticated
from service.keys import SETTINGS
from service.telemetry.exposition import Exposition

log = structlog.get_logger()

READ_SECONDS = 5.0  # what the database does not tell by then is left out of the scrape


class Reading:
    """What a scrape reads from the database, at most once in so many seconds, however many scrapes there are.

    `show` reads and shows it; `hide` shows nothing instead while it cannot be read, because old figures would lie.
    """

    def __init__(self, seconds: float, show: Callable[[], Awaitable[None]], hide: Callable[[], None]) -> None:
        self._seconds = seconds
        self._show = show
        self._hide = hide
        self._fresh_until = float("-inf")
        self._reading = asyncio.Lock()

    async def refresh(self) -> None:
        """Read it, unless it is fresh."""
        async with self._reading:
            if time.monotonic() < self._fresh_until:
                return
            began = time.monotonic()
            try:
                async with asyncio.timeout(READ_SECONDS):
                    await self._show()
            except (*UNREACHABLE, asyncpg.PostgresError) as error:
                self._hide()
                log.warning(
                    "metrics are missing", action="metrics.unread", error=f"{type(error).__name__}: {error}"
                )
            now = time.monotonic()
            self._fresh_until = now + max(self._seconds, 10 * (now - began))  # dear figures are kept longer


EXPOSITION = web.AppKey("exposition", Exposition)
READINGS = web.AppKey("readings", list[Reading])


async def scrape(request: web.Request) -> web.Response:
    """GET /metrics. Raises Unauthenticated."""
    token = request.app[SETTINGS].metrics_token
    if token is not None:
        given = request.headers.get(hdrs.AUTHORIZATION, "")
        scheme, _, credential = given.partition(" ")
        right = hmac.compare_digest(credential.strip().encode(errors="replace"), token.encode())
        if scheme.lower() != "bearer" or not right:
            raise Unauthenticated(
                "this needs the token of LAVORI_METRICS_TOKEN: Authorization: Bearer <token>"
            )
    await asyncio.gather(*(reading.refresh() for reading in request.app[READINGS]))
    encode, content_type = choose_encoder(request.headers.get(hdrs.ACCEPT, ""))
    return web.Response(body=encode(request.app[EXPOSITION]), headers={hdrs.CONTENT_TYPE: content_type})


routes = [web.get("/metrics", scrape)]
