"""Counters of the whole system: each process adds what it has counted, and any of them can tell the sum.

Workers have no port to be scraped at, come and go, and what they counted must not go with them. So every two seconds
a process adds the differences to the table `metric_sums`. It is unlogged: writing it waits for no disk, and after a
crash of PostgreSQL it begins at zero, which Prometheus knows how to read. Graphs are made of this; the truth about a
job stands in its row. A process that is killed loses its last two seconds.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import structlog
from prometheus_client import CollectorRegistry

from service.db.connection import Executor
from service.db.pool import UNREACHABLE
from service.telemetry.exposition import Sums, sums_of

log = structlog.get_logger()

PERIOD_SECONDS = 2.0

# In one order everywhere, or two processes would wait for each other.
ADD = """
INSERT INTO metric_sums (sample, labels, value)
SELECT sample, labels, value FROM unnest($1::text[], $2::text[], $3::float8[]) AS added(sample, labels, value)
ORDER BY sample, labels
ON CONFLICT (sample, labels) DO UPDATE SET value = metric_sums.value + excluded.value
"""


async def add_sums(connection: Executor, differences: Sums) -> None:
    """Add to the sums."""
    names, labels = zip(*differences, strict=True)
    await connection.execute(ADD, names, labels, list(differences.values()))


READ = "SELECT sample, labels, value FROM metric_sums"


async def read_sums(connection: Executor) -> Sums:
    """The sums."""
    return {(row["sample"], row["labels"]): row["value"] for row in await connection.fetch(READ)}


class SumWriter:
    """Adds what a registry of counters and histograms has counted since the last time."""

    def __init__(self, pool: asyncpg.Pool, registry: CollectorRegistry) -> None:
        self._pool = pool
        self._registry = registry
        self._written: Sums = {}
        self._failing = False

    async def write(self) -> None:
        """Add the differences; what cannot be written now goes with the next."""
        counted = sums_of(self._registry)
        differences = {
            key: value - before
            for key, value in counted.items()
            if value != (before := self._written.get(key, 0))
        }
        if not differences:
            return
        try:
            await add_sums(self._pool, differences)
        except (*UNREACHABLE, asyncpg.PostgresError) as error:
            if not self._failing:
                log.warning(
                    "metrics wait", action="metrics.unwritten", error=f"{type(error).__name__}: {error}"
                )
            self._failing = True
        else:
            self._written = counted
            self._failing = False

    async def run(self) -> None:
        """Write every two seconds, until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            await self.write()


@asynccontextmanager
async def summed(pool: asyncpg.Pool, registry: CollectorRegistry) -> AsyncIterator[None]:
    """Write the registry's sums for the time of the block, and once more at its end."""
    writer = SumWriter(pool, registry)
    running = asyncio.create_task(writer.run(), name="metric sums")
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await writer.write()
