"""Offers every due job to the queue again: whatever Redis lost, PostgreSQL still knows."""

from service.jobs import claims, queue
from workers.runtime import Runtime

PAGE = 1_000


async def redeliver(runtime: Runtime) -> None:
    """Offer due jobs, most urgent first, as long as a page held one that Redis did not have.

    Offering is idempotent, so a quiet system pays for one page; after a FLUSHALL all pages are offered in one sweep.
    """
    after = None
    while True:
        rows = await claims.due_jobs(
            runtime.pool, PAGE, within_seconds=2 * runtime.settings.sweep_seconds, after=after
        )
        if not rows:
            return
        messages = [queue.Message.of(row) for row in rows]
        added = await queue.offer(runtime.dispatcher.redis, messages)
        if added == 0 or len(rows) < PAGE:
            return
        after = rows[-1]
