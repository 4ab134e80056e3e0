"""The metrics of an API process: their parts in the application, and the tasks that keep them going."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import web

from service.db.metric_sums import read_sums, summed
from service.keys import POOL
from service.telemetry.exposition import Exposition
from service.telemetry.loop_lag import watch_loop
from service.telemetry.metrics import METRICS, SYSTEM, ApiMetrics, SystemMetrics
from service.web.observe import OBSERVE, observer
from service.web.scrape import EXPOSITION, READINGS, Reading

SUMS_SECONDS = 1.0


def measure(app: web.Application) -> None:
    """Give the application what its features count with, and what a scrape shows."""
    app[METRICS] = metrics = ApiMetrics()
    app[OBSERVE] = observer(metrics.request_times)
    app[SYSTEM] = SystemMetrics()
    app[EXPOSITION] = Exposition(metrics.registry, app[SYSTEM].registry)
    app[READINGS] = []


async def measurements(app: web.Application) -> AsyncIterator[None]:
    """A `cleanup_ctx`: what this process counts goes to the sums, and what all have counted comes with a scrape."""
    exposition, pool = app[EXPOSITION], app[POOL]

    async def show() -> None:
        exposition.sums = await read_sums(pool)

    def hide() -> None:
        exposition.sums = {}

    app[READINGS].append(Reading(SUMS_SECONDS, show, hide))
    async with summed(pool, app[SYSTEM].registry):
        watching = asyncio.create_task(watch_loop(app[METRICS].process.loop_lag.observe), name="loop lag")
        yield
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
