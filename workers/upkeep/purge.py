"""Removes what has had its time: jobs and what is theirs, files that nothing refers to, dead workers' rows."""

import structlog

from service.definitions.fire_store import forget_fires
from service.files.store import release_expired_files
from service.jobs.purge import BATCH, purge_batch
from workers.runtime import Runtime

log = structlog.get_logger()

FORGET_WORKERS = "DELETE FROM workers WHERE beat_at < now() - interval '1 hour'"


async def purge(runtime: Runtime) -> None:
    """Purge batch by batch until nothing is left to purge."""
    more = True
    while more:
        async with runtime.pool.acquire() as connection, connection.transaction():
            purged = await purge_batch(connection, None)
        more = purged.more
        counts = {kind: count for kind, count in purged.counts.items() if count}
        for kind, count in counts.items():
            runtime.system.purged(kind).inc(count)
        if counts:
            log.info("purged", action="purge.retention", **counts)
    while keys := await release_expired_files(runtime.pool, BATCH):
        for key in keys:
            await runtime.storage.delete(key)
        runtime.system.purged("files").inc(len(keys))
        log.info("files purged", action="purge.files", count=len(keys))
    while await forget_fires(runtime.pool, BATCH) == BATCH:
        pass
    await runtime.pool.execute(FORGET_WORKERS)
