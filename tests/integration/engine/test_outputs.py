"""What a job leaves: a small output inline, a large one as a file, files of its own, and its publish link."""

import asyncio
from datetime import timedelta

import asyncpg
from aiohttp import ClientSession

from ledger import add, claim, until_row
from running import job, until
from service.db.clock import DatabaseClock
from service.files.storage import open_storage
from service.settings import Settings
from workers.context import JobContext
from workers.lease import Lease
from workers.progress import ProgressBook
from workers.turns import Turns


async def test_a_small_output_is_inline_and_makes_no_link(
    api: ClientSession, pool: asyncpg.Pool, worker: asyncio.Event
) -> None:
    ended = await until(api, str(await add(pool, "echo", {"n": 1})), "finished")
    assert (ended["output"], ended["response_type"], ended["outputs"]) == ('{"n":1}', "inline", [])
    assert ended["publish_link"] is None


async def test_a_large_output_becomes_a_file_behind_the_publish_link(
    api: ClientSession, pool: asyncpg.Pool, worker: asyncio.Event
) -> None:
    ended = await until(api, str(await add(pool, "large")), "finished")
    assert (ended["output"], ended["response_type"]) == (None, "publish_link")
    assert [(one["name"], one["size"]) for one in ended["outputs"]] == [
        ("extra.txt", 5),
        ("output.txt", 100_000),
    ]
    assert ended["publish_link"]
    url = f"/api/jobs/{ended['id']}/outputs/{ended['outputs'][1]['id']}/content"
    async with api.get(url) as response:
        assert await response.read() == b"x" * 100_000
    async with api.get(ended["publish_link"]) as response:
        assert response.status == 200
    assert await pool.fetchval("SELECT count(*) FROM files WHERE expires_at IS NOT NULL") == 0


async def test_outputs_and_link_are_not_there_before_the_end(api: ClientSession, pool: asyncpg.Pool) -> None:
    read = await job(api, str(await add(pool, "large")))
    assert (read["outputs"], read["publish_link"], read["response_type"]) == ([], None, None)


async def test_a_rerun_keeps_the_publish_link_and_shows_its_own_outputs(
    api: ClientSession, pool: asyncpg.Pool, worker: asyncio.Event
) -> None:
    job_id = await add(pool, "large")
    first = await until(api, str(job_id), "finished")
    async with api.post(f"/api/jobs/{job_id}/rerun") as response:
        assert response.status == 200
    await until_row(pool, job_id, lambda row: row["run"] == 2 and row["terminated_at"])
    second = await job(api, str(job_id))
    assert second["publish_link"] == first["publish_link"]
    assert len(second["outputs"]) == 2
    assert {one["id"] for one in second["outputs"]}.isdisjoint(one["id"] for one in first["outputs"])


async def test_an_output_of_a_job_that_may_run_for_days_is_kept_until_a_day_after_it(
    pool: asyncpg.Pool, settings: Settings
) -> None:
    row = await claim(pool, await add(pool, timeout_seconds=3 * 86_400))
    assert row is not None
    lease = Lease(row["id"], row["tenant_id"], row["lease_id"], 0)
    book, storage = ProgressBook(pool, lambda *_: None, DatabaseClock()), open_storage(settings.storage_url)
    context = JobContext(row, {}, lease, book, pool, storage, settings, Turns())
    async with context.create_output("a", "text/plain"):
        pass
    lives_for = await pool.fetchval("SELECT expires_at - now() FROM files")
    assert timedelta(days=3, hours=23) < lives_for <= timedelta(days=4)
