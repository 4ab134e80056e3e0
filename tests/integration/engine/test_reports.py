"""Progress and messages: never falling, never lost, never missed by a reader, and never anybody else's trouble."""

import asyncio
from uuid import UUID

import asyncpg
import pytest
from aiohttp import ClientSession

from ledger import add, row_of, until_row, until_status


async def percents_seen(pool: asyncpg.Pool, job_id: UUID) -> list[int]:
    """Every percent that a reader sees until the job ends."""
    seen: list[int] = []
    while True:
        row = await row_of(pool, job_id)
        if row["status"] != "pending":
            seen.append(row["percent_completed"])
        if row["terminated_at"] is not None:
            return seen
        await asyncio.sleep(0.005)


async def test_progress_never_falls_and_is_a_hundred_only_at_the_end(
    pool: asyncpg.Pool, worker: asyncio.Event
) -> None:
    percents = [5, 50, 20, 101, 3, -7, 80, 60]
    job_id = await add(pool, "percents", {"percents": percents, "pause": 0.3})
    seen = await percents_seen(pool, job_id)
    assert seen == sorted(seen)
    assert seen[-1] == 100
    assert set(seen[:-1]) <= {0, 5, 50, 99, 100}
    assert 99 in seen


async def test_the_last_value_lands_however_fast_the_job_reports(
    pool: asyncpg.Pool, worker: asyncio.Event
) -> None:
    job_id = await add(pool, "percents", {"percents": list(range(2_000))})
    row = await until_status(pool, job_id, "finished")
    assert row["running_output"] == "at 1999"
    assert row["version"] < 20, "every report was written on its own"


async def test_the_last_value_lands_while_the_job_goes_on(pool: asyncpg.Pool, worker: asyncio.Event) -> None:
    job_id = await add(pool, "percents", {"percents": [1, 2, 3, 44], "pause": 0.05} | {"pause": 0.4})
    await until_row(pool, job_id, lambda row: row["percent_completed"] == 44, seconds=5)


async def test_progress_starts_again_with_the_next_attempt(pool: asyncpg.Pool, worker: asyncio.Event) -> None:
    job_id = await add(pool, "flaky", {"failures": 1}, max_attempts=2)
    row = await until_status(pool, job_id, "finished")
    assert (row["attempt"], row["percent_completed"]) == (2, 100)


async def test_a_reader_who_asks_for_what_came_after_the_last_message_misses_none(
    api: ClientSession, pool: asyncpg.Pool, worker: asyncio.Event
) -> None:
    job_ids = [await add(pool, "chatty", {"count": 2_000}) for _ in range(3)]

    async def read(job_id: UUID) -> None:
        after, texts, ended = 0, [], False
        while True:
            async with api.get(f"/api/jobs/{job_id}/messages?after={after}&limit=70") as response:
                page = (await response.json())["messages"]
            for line in page:
                assert line["seq"] > after
                after = line["seq"]
                texts.append(line["text"])
            if not page and ended:
                break
            ended = (await row_of(pool, job_id))["terminated_at"] is not None
        assert texts == [f"line {n}" for n in range(2_000)]

    await asyncio.gather(*(read(job_id) for job_id in job_ids))


async def test_a_level_that_does_not_exist_fails_the_job_that_used_it_and_no_other(
    pool: asyncpg.Pool, worker: asyncio.Event
) -> None:
    odd = await add(pool, "odd_message", {"level": "shout", "seconds": 0.5})
    plain = await add(pool, "wait", {"seconds": 1.0, "steps": 5})
    assert (await until_row(pool, odd, lambda row: row["terminated_at"]))["status"] == "failed"
    assert (await until_row(pool, plain, lambda row: row["terminated_at"]))["status"] == "finished"


@pytest.mark.parametrize("seconds", [0, 0.5])
async def test_odd_text_is_written_as_far_as_it_can_be(
    pool: asyncpg.Pool, worker: asyncio.Event, seconds: float
) -> None:
    args = {"text": "a%0b", "tool_id": "t%0" + "x" * 300, "seconds": seconds}
    job_id = await add(pool, "odd_message", args)
    await until_status(pool, job_id, "finished")
    (line,) = await pool.fetch("SELECT text, tool_id FROM job_messages WHERE job_id = $1", job_id)
    assert line["text"] == "a\ufffdb"
    assert line["tool_id"].startswith("t\ufffdxxx")


async def test_a_report_that_postgresql_refuses_does_not_keep_the_others_from_it(
    pool: asyncpg.Pool, worker: asyncio.Event
) -> None:
    await pool.execute("ALTER TABLE job_messages ADD CONSTRAINT no_poison CHECK (text <> 'poison')")
    guilty = await add(pool, "odd_message", {"text": "poison", "seconds": 1.0})
    others = [await add(pool, "odd_message", {"text": f"line {n}", "seconds": 1.0}) for n in range(5)]
    for job_id in (guilty, *others):
        await until_status(pool, job_id, "finished")
    texts = {row["text"] for row in await pool.fetch("SELECT text FROM job_messages")}
    assert texts == {f"line {n}" for n in range(5)}
