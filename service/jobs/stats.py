"""GET /api/stats: how many jobs there are, how fast they go, who works. One cheap call, however many jobs there are."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web
from marshmallow import Schema, fields, validate

from service.access.middleware import principal_of
from service.access.principal import Permission
from service.jobs.listing import LISTS, Lists
from service.jobs.measures import measure
from service.web.payload import json_response, query

LIFETIME_SECONDS = 1.0
CAPACITY = 1_000

Measure = Callable[..., Awaitable[dict[str, Any]]]
"""A connection, the tenant, the window, the reader (None: of all jobs), and what else the query says."""


class Stats:
    """What was measured within the last second; who asks the same meanwhile waits for the one who measures."""

    def __init__(self, lists: Lists, measure_: Measure) -> None:
        self._lists, self._measure = lists, measure_
        self._known: dict[tuple[Any, ...], tuple[float, dict[str, Any]]] = {}
        self._locks: dict[tuple[Any, ...], asyncio.Lock] = {}

    async def of(self, tenant_id: int, window: int, reader: str | None, *more: int) -> dict[str, Any]:
        """The envelope, not older than a second."""
        key = (tenant_id, window, reader, *more)
        if len(self._locks) >= CAPACITY:
            self._known, self._locks = {}, {}
        async with self._locks.setdefault(key, asyncio.Lock()):
            known = self._known.get(key)
            if known is None or known[0] < time.monotonic() - LIFETIME_SECONDS:
                began = time.monotonic()
                async with self._lists.connection() as connection:
                    known = self._known[key] = (began, await self._measure(connection, *key))
        return known[1]


STATS = web.AppKey("stats", Stats)


async def stats_of(app: web.Application) -> AsyncIterator[None]:
    """A `cleanup_ctx` of the application, after listing.lists_of."""
    app[STATS] = Stats(app[LISTS], measure)
    yield


class StatsIn(Schema):
    """The query of GET /api/stats."""

    window_seconds = fields.Integer(load_default=3_600, validate=validate.Range(1, 7 * 86_400))


_STATS_IN = StatsIn()


async def stats(request: web.Request) -> web.Response:
    """GET /api/stats."""
    return await answer_of(request, STATS, query(request, _STATS_IN)["window_seconds"])


async def answer_of(request: web.Request, key: web.AppKey[Stats], window: int, *more: int) -> web.Response:
    """The numbers as far as the caller may know them."""
    principal = principal_of(request)
    reader = None if principal.may(Permission.JOBS_READ_ALL) else principal.name
    return json_response(await request.app[key].of(principal.tenant_id, window, reader, *more))


routes = [web.get("/api/stats", stats)]
