"""Jobs of tenants that may run only so many at once.

The claim alone decides who runs (claims.CLAIM, room_to_run); what is here keeps a long queue of such a tenant from
being offered to workers that must refuse it. Of its waiting jobs only as many are offered as it may start now: when
one comes in, when one ends, and each sweep. Those with another tag or type are counted apart, since other workers take
them.
"""

import asyncio
import time

import asyncpg

from service.db.batch import Batcher
from service.db.pool import UNREACHABLE
from service.jobs.queue import Dispatcher, Message

MOST_OFFERED = 1_000  # of each tenant, tag and type

OFFERABLE = """
WITH capped AS MATERIALIZED (
    SELECT id, least($2, (caps ->> 'running')::bigint - (
                   SELECT coalesce(sum(jobs), 0) FROM job_tallies
                   WHERE tenant_id = tenants.id AND status = 'running')) AS room
    FROM tenants WHERE caps ->> 'running' IS NOT NULL AND ($1::int[] IS NULL OR id = ANY ($1))
)
SELECT waiting.id, waiting.tenant_id, run, claim, priority, worker_tag, due_at, updated_at
FROM capped CROSS JOIN LATERAL (
    SELECT id, tenant_id, run, claim, priority, worker_tag, due_at, updated_at,
           row_number() OVER (PARTITION BY worker_tag, type ORDER BY priority DESC, due_at, id) AS turn
    FROM jobs WHERE tenant_id = capped.id AND status = 'pending' AND due_at <= now() AND capped.room > 0
) AS waiting
WHERE turn <= room
ORDER BY priority DESC, due_at, waiting.id
"""


async def offerable(pool: asyncpg.Pool, tenants: list[int] | None) -> list[Message]:
    """What these tenants, or all that have a cap of running jobs, may start now."""
    return [Message.of(row) for row in await pool.fetch(OFFERABLE, tenants, MOST_OFFERED)]


class CappedOffers:
    """Offers what tenants with a cap may start now; many askings at once are one question."""

    def __init__(self, pool: asyncpg.Pool, dispatcher: Dispatcher) -> None:
        self._pool, self._dispatcher = pool, dispatcher
        self._asked: Batcher[int, None] = Batcher(self._offer, max_items=10_000, concurrency=1)

    def nudge(self, tenant_id: int) -> None:
        """A job of the tenant has come, or has ended."""
        self._asked.post(tenant_id)

    async def join(self) -> None:
        """Wait until all is offered."""
        await self._asked.join()

    async def _offer(self, tenants: list[int]) -> list[None]:
        began = time.monotonic()
        try:
            for message in await offerable(self._pool, list(set(tenants))):
                self._dispatcher.nudge(message)
        except UNREACHABLE:
            return [None] * len(tenants)  # a sweep does it
        await asyncio.sleep(time.monotonic() - began)  # behind a long queue, half of the time is enough
        return [None] * len(tenants)
