"""How long jobs take: medians of a tenant's latest ends by type, for Retry-After and for estimates.

Retry-After stands on each read of a job under way, so it must cost nothing: it is told from medians that this process
has, and those are measured beside the requests, every few seconds, for the tenants that asked since.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime

import asyncpg
import structlog
from aiohttp import web

from service.db.clock import DatabaseClock
from service.jobs.reader import Rendered
from service.jobs.states import TERMINAL, Status
from service.jobs.store import Heading
from service.keys import POOL

log = structlog.get_logger()

REFRESH_SECONDS = 5.0
FRESH_SECONDS = 1.0
LONGEST = 60

MEDIANS = """
SELECT type, percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM terminated_at - started_at)) AS seconds
FROM (SELECT type, status, started_at, terminated_at FROM jobs
      WHERE tenant_id = $1 AND terminated_at IS NOT NULL ORDER BY terminated_at DESC LIMIT 1000) AS latest
WHERE started_at IS NOT NULL AND status IN ('finished', 'failed')
GROUP BY type
"""


async def run_medians(connection: asyncpg.Pool, tenant_id: int) -> dict[str, float]:
    """Seconds from start to end, by type, of those among the tenant's latest 1,000 jobs that ended by themselves."""
    return {row["type"]: row["seconds"] for row in await connection.fetch(MEDIANS, tenant_id)}


CLOCK = "SELECT extract(epoch FROM clock_timestamp())::float8"


class Pace:
    """The medians that this process knows, and the database's clock."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._clock = DatabaseClock()
        self._known: dict[int, tuple[float, dict[str, float]]] = {}
        self._asked: set[int] = set()
        self._wanted = asyncio.Event()
        self._wanted.set()  # the clock is looked at as soon as it runs

    def typical_seconds(self, tenant_id: int, job_type: str) -> float | None:
        """The median run time as it was a few seconds ago; None without history, or until it is measured."""
        if tenant_id not in self._asked:
            self._asked.add(tenant_id)
            self._wanted.set()
        known = self._known.get(tenant_id)
        return known[1].get(job_type) if known else None

    def retry_after(self, tenant_id: int, job: Heading | Rendered) -> int | None:
        """The job's Retry-After, in seconds; None for one that has ended."""
        if job.status in TERMINAL:
            return None
        typical = self.typical_seconds(tenant_id, job.type)
        return seconds_until_news(job.status, job.due_at, job.started_at, typical, self._clock.now())

    async def measured(self, tenant_id: int) -> dict[str, float]:
        """The median run times by type, not older than a second."""
        known = self._known.get(tenant_id)
        if known is None or known[0] < time.monotonic() - FRESH_SECONDS:
            known = self._known[tenant_id] = (time.monotonic(), await run_medians(self._pool, tenant_id))
        return known[1]

    async def run(self) -> None:
        """Measure for the tenants that asked, and forget the others; until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            asked, self._asked = self._asked, set()
            self._known = {tenant_id: self._known[tenant_id] for tenant_id in asked & self._known.keys()}
            try:
                asked_at = time.monotonic()
                self._clock.told(await self._pool.fetchval(CLOCK), asked_at)
                for tenant_id in asked:
                    await self.measured(tenant_id)
            except Exception as error:  # noqa: BLE001 - PostgreSQL may be away: what is known serves until it is back
                log.debug("run times can't be measured", action="pace.waits", error=type(error).__name__)
            await asyncio.sleep(REFRESH_SECONDS)


PACE = web.AppKey("pace", Pace)


async def pace_of(app: web.Application) -> AsyncIterator[None]:
    """A `cleanup_ctx` of the application."""
    app[PACE] = Pace(app[POOL])
    measuring = asyncio.create_task(app[PACE].run(), name="pace")
    yield
    measuring.cancel()
    with suppress(asyncio.CancelledError):
        await measuring


def seconds_until_news(
    status: str, due_at: datetime, started_at: datetime | None, typical: float | None, now: datetime
) -> int:
    """In how many seconds (1 to 60) it is worth asking again for a job that has not ended.

    A job that waits for its time, until then; one that waits for its turn, as long as such jobs run; a running one,
    until such jobs end, and past that, or without history, a tenth of the time that it has run.
    """
    if status == Status.SUSPENDED:
        return LONGEST
    ran = (now - started_at).total_seconds() if status == Status.RUNNING and started_at else 0.0
    left = (due_at - now).total_seconds() if status == Status.PENDING else 0.0
    if left <= 0:
        left = (typical or 0.0) - ran
    if left <= 0:
        left = ran / 10
    return max(1, min(LONGEST, math.ceil(left)))
