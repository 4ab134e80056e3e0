"""Offers due jobs to the queue again: whatever Redis lost, PostgreSQL still knows."""

import asyncpg
from redis.exceptions import RedisError

from service.jobs import claims, queue
from service.jobs.capped import offerable
from workers.runtime import Runtime

PAGE = 1_000
WALK_PAGES = 10


async def redeliver(runtime: Runtime) -> None:
    """Offer the most urgent page; behind a long queue, walk on through the rest from sweep to sweep.

    Offering is idempotent, so a quiet system pays for one page. After a FLUSHALL all pages are offered in one sweep;
    a single message that was lost behind thousands, maybe of another tenant, is found by the walk.
    """
    try:
        if capped := await offerable(runtime.pool, None):
            await queue.offer(runtime.dispatcher.redis, capped)
        if await _offer_pages(runtime, None, 1) is not None:
            runtime.walked = await _offer_pages(runtime, runtime.walked, WALK_PAGES)
    except RedisError as error:
        runtime.refused = error
        runtime.slots.wake.set()
        raise


async def _offer_pages(
    runtime: Runtime, after: asyncpg.Record | None, at_least: int
) -> asyncpg.Record | None:
    """Offer pages, and go on while they hold what Redis did not have; answers the last row, None at the queue's end."""
    pages = 0
    while True:
        rows = await claims.due_jobs(
            runtime.pool,
            PAGE,
            runtime.tags,
            list(runtime.job_types),
            within_seconds=2 * runtime.settings.sweep_seconds,
            after=after,
        )
        messages = [queue.Message.of(row) for row in rows]
        added = await queue.offer(runtime.dispatcher.redis, messages) if messages else 0
        if len(rows) < PAGE:
            return None
        after = rows[-1]
        pages += 1
        if pages >= at_least and added == 0:
            return after
