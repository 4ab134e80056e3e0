"""Removes bytes that no row names: what a crash between the two has left."""

import random
import time
from contextlib import aclosing

import asyncpg
import structlog

from service.files.storage import Storage
from service.files.store import orphans
from workers.runtime import Runtime

log = structlog.get_logger()

EVERY_SECONDS = 600.0
MOST = 1_000  # in one round; what is left is found by the next


async def collect_orphans(pool: asyncpg.Pool, storage: Storage) -> int:
    """Look through all of storage, and delete what has been without a row for an hour; answers how much it was."""
    keys: list[str] = []
    async with aclosing(orphans(pool, storage)) as found:
        async for key in found:
            keys.append(key)
            if len(keys) == MOST:
                break
    for key in keys:
        await storage.delete(key)
    return len(keys)


LIVE_WORKERS = "SELECT greatest(count(*), 1) FROM workers WHERE beat_at > now() - interval '1 minute'"


async def collect(runtime: Runtime) -> None:
    """Collect each ten minutes, all workers together: each of them waits so many times longer as there are workers."""
    if time.monotonic() < runtime.collect_at:
        return
    workers = await runtime.pool.fetchval(LIVE_WORKERS)
    runtime.collect_at = time.monotonic() + EVERY_SECONDS * workers * random.uniform(0.8, 1.2)  # noqa: S311
    if count := await collect_orphans(runtime.pool, runtime.storage):
        log.warning("files without a row collected", action="collect.orphans", count=count)
