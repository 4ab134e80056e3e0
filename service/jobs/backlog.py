"""How much waits and runs, for the metrics: asked of the database, which alone knows, and not at each scrape."""

from collections.abc import AsyncIterator

import asyncpg
from aiohttp import web

from service.keys import POOL
from service.telemetry.metrics import METRICS, ApiMetrics
from service.web.scrape import READINGS, Reading

FRESH_SECONDS = 5.0
DEFAULT_QUEUE = "default"

# What waits for a later time, or is held back, is no backlog.
WAITING = """
SELECT queue, count(*) AS depth, extract(epoch FROM now() - min(due_at))::float8 AS oldest
FROM jobs WHERE status = 'pending' AND due_at <= now() GROUP BY queue
"""
RUNNING = "SELECT count(*) FROM jobs WHERE status = 'running'"


async def show_backlog(pool: asyncpg.Pool, metrics: ApiMetrics) -> None:
    """Set the gauges of waiting and running jobs."""
    waiting = await pool.fetch(WAITING)
    running = await pool.fetchval(RUNNING)
    hide_backlog(metrics)
    metrics.queue_depth.labels(DEFAULT_QUEUE).set(0)
    metrics.oldest_waiting.labels(DEFAULT_QUEUE).set(0)
    for row in waiting:
        metrics.queue_depth.labels(row["queue"]).set(row["depth"])
        metrics.oldest_waiting.labels(row["queue"]).set(row["oldest"])
    metrics.running.set(running)


def hide_backlog(metrics: ApiMetrics) -> None:
    """Show no backlog: NaN is what Prometheus reads as not known."""
    metrics.queue_depth.clear()
    metrics.oldest_waiting.clear()
    metrics.running.set(float("nan"))


async def backlog(app: web.Application) -> AsyncIterator[None]:
    """A `cleanup_ctx` of the application: scrapes show the backlog."""
    pool, metrics = app[POOL], app[METRICS]

    async def show() -> None:
        await show_backlog(pool, metrics)

    app[READINGS].append(Reading(FRESH_SECONDS, show, lambda: hide_backlog(metrics)))
    yield
