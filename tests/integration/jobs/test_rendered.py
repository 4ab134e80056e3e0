"""What a process keeps of the jobs that it has shown."""

import asyncio
import tracemalloc

import asyncpg

from ledger import add
from service.files.links import LinkSigner
from service.jobs import store
from service.jobs.reader import JobReader


async def test_a_job_that_is_kept_for_the_next_poll_takes_little_more_than_its_json(
    pool: asyncpg.Pool,
) -> None:
    reader = JobReader(pool, LinkSigner(("a-secret-key-for-the-tests-of-32-bytes",)))
    ids = await asyncio.gather(*(add(pool) for _ in range(200)))
    rows = await store.read_jobs(pool, [(job_id, 1) for job_id in ids])
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        size = sum(len(reader.render(row, "http://localhost").body) for row in rows if row is not None)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > 200 * 500
    assert after - before < 2 * size
