"""How much is owed, for the metrics: asked of the database at a scrape, and not at each."""

from collections.abc import AsyncIterator

from aiohttp import web

from service.keys import POOL
from service.telemetry.metrics import METRICS
from service.web.scrape import READINGS, Reading

FRESH_SECONDS = 5.0
KINDS = ("email", "webhook")

WAITING = """
SELECT kind, count(*) AS notices, extract(epoch FROM now() - min(created_at))::float8 AS oldest
FROM outbox WHERE state = 'pending' GROUP BY kind
"""


async def notices_backlog(app: web.Application) -> AsyncIterator[None]:
    """A `cleanup_ctx` of the application: scrapes show what is owed."""
    pool, metrics = app[POOL], app[METRICS]

    async def show() -> None:
        waiting = {row["kind"]: row for row in await pool.fetch(WAITING)}
        for kind in KINDS:
            metrics.outbox_pending.labels(kind).set(waiting[kind]["notices"] if kind in waiting else 0)
        metrics.outbox_oldest.set(max((row["oldest"] for row in waiting.values()), default=0))

    def hide() -> None:
        metrics.outbox_pending.clear()
        metrics.outbox_oldest.set(float("nan"))

    app[READINGS].append(Reading(FRESH_SECONDS, show, hide))
    yield
