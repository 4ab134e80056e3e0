"""GET /livez and /readyz, for who runs containers. Open to all: app.py says so."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import asyncpg
import structlog
from aiohttp import web

from service.db.migrate import applied_numbers, read_migrations
from service.errors import Unavailable
from service.keys import DRAINING, POOL, REDIS
from service.web.payload import json_response

log = structlog.get_logger()

CHECK_SECONDS = 1.0
MIGRATED = web.AppKey("migrated", asyncio.Event)


async def livez(_: web.Request) -> web.Response:
    """GET /livez: the loop turns."""
    return json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """GET /readyz: started, migrated and not draining; `?verbose` reports PostgreSQL and Redis.

    Their outage changes nothing: the API answers by itself, and taking every replica away would help nobody.
    """
    if request.app[DRAINING].is_set():
        raise Unavailable("the server is draining")
    await _ensure_migrated(request.app)
    if "verbose" not in request.query:
        return json_response({"status": "ok"})
    postgresql, redis = await asyncio.gather(
        _check("postgresql", request.app[POOL].fetchval("SELECT 1")),
        _check("redis", request.app[REDIS].ping()),
    )
    return json_response({"status": "ok", "checks": {"postgresql": postgresql, "redis": redis}})


async def _ensure_migrated(app: web.Application) -> None:
    """Raise Unavailable until the database has this version's schema; once it has, it is not asked again."""
    if app[MIGRATED].is_set():
        return
    needed = {0} | {migration.number for migration in read_migrations()}
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            missing = needed - await applied_numbers(app[POOL])
    except asyncpg.UndefinedTableError:
        missing = needed
    if missing:
        raise Unavailable("the database lacks this version's schema: run lavori migrate")
    app[MIGRATED].set()


async def _check(name: str, call: Awaitable[Any]) -> str:
    try:
        await asyncio.wait_for(call, CHECK_SECONDS)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        log.warning(
            "a part is away", action="health.check", part=name, error=f"{type(error).__name__}: {error}"
        )
        return "unavailable"
    return "ok"


routes = [web.get("/livez", livez), web.get("/readyz", readyz)]
