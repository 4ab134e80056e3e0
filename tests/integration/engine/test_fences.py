"""Fencing: whatever an attempt writes after it lost its lease changes nothing."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

import engine_jobs
from ledger import add, claim, lose_lease, outcomes_of, row_of, settle, until_status
from service.db.clock import DatabaseClock
from service.files.storage import open_storage
from service.jobs import endings, leases, reports
from service.settings import Settings
from workers.context import JobContext
from workers.lease import Lease, LeaseLost
from workers.outcome import Stop
from workers.progress import ProgressBook
from workers.turns import Turns


async def twice_claimed(pool: asyncpg.Pool) -> tuple[asyncpg.Record, asyncpg.Record]:
    """A job whose first claim was lost and taken over by a second one."""
    job_id = await add(pool)
    first = await claim(pool, job_id, "first")
    await lose_lease(pool, job_id)
    await endings.rescue_dead(pool, 10)
    second = await claim(pool, job_id, "second")
    assert first is not None
    assert second is not None
    return first, second


def report(row: asyncpg.Record, percent: int | None = None, messages: int = 0) -> reports.Report:
    return reports.Report(row["id"], row["lease_id"], percent, f"at {percent}", "late", messages)


def message(row: asyncpg.Record, ordinal: int = 1) -> reports.Message:
    return reports.Message(row["lease_id"], ordinal, datetime.now(UTC), "info", f"line {ordinal}", None)


def context(pool: asyncpg.Pool, settings: Settings, row: asyncpg.Record) -> JobContext:
    lease = Lease(row["id"], row["tenant_id"], row["lease_id"], 0)
    return JobContext(
        row,
        {},
        lease,
        ProgressBook(pool, lambda *_: None, DatabaseClock()),
        pool,
        open_storage(settings.storage_url),
        settings,
        Turns(),
    )


async def test_late_progress_and_messages_change_nothing(pool: asyncpg.Pool) -> None:
    first, second = await twice_claimed(pool)
    before = await row_of(pool, first["id"])
    held = await reports.report_if_held(pool, [report(first, 77, 2)], [message(first), message(first, 2)])
    assert held == set()
    assert await row_of(pool, first["id"]) == before
    assert await pool.fetchval("SELECT count(*) FROM job_messages") == 0
    assert await reports.report_if_held(pool, [report(second, 5)], []) == {second["lease_id"]}


@pytest.mark.parametrize("status", ["finished", "failed", "cancelled", "pending"])
async def test_a_late_end_changes_nothing(pool: asyncpg.Pool, status: str) -> None:
    first, _ = await twice_claimed(pool)
    before = await row_of(pool, first["id"])
    assert await settle(pool, first, status) is None
    assert await row_of(pool, first["id"]) == before
    assert await outcomes_of(pool, first["id"]) == [(1, 1, "lost")]


async def test_a_late_end_publishes_no_output_link_or_message(pool: asyncpg.Pool, settings: Settings) -> None:
    first, _ = await twice_claimed(pool)
    job = context(pool, settings, first)
    async with job.create_output("a.txt", "text/plain") as out:
        await out.write(b"late")
    (made,) = job.outputs
    outputs = orjson.dumps([{"id": made.id, "file_id": made.file_id, "position": 0, "available_formats": []}])
    late = await settle(pool, first, "finished", outputs=outputs.decode(), link_id=uuid4(), messages=1)
    assert late is None
    for table in ("outputs", "links", "job_messages"):
        assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 0
    assert await pool.fetchval("SELECT expires_at FROM files") is not None


async def test_a_late_heartbeat_renews_nothing(pool: asyncpg.Pool) -> None:
    first, second = await twice_claimed(pool)
    before = await row_of(pool, first["id"])
    async with pool.acquire() as connection:
        assert await leases.renew_leases(connection, [(first["id"], first["lease_id"])], 3_600) == set()
        assert await row_of(pool, first["id"]) == before
        held = [(second["id"], second["lease_id"])]
        assert await leases.renew_leases(connection, held, 3_600) == {second["lease_id"]}


async def test_a_late_fenced_block_does_not_begin_and_spoils_no_checkpoint(
    pool: asyncpg.Pool, settings: Settings
) -> None:
    first, second = await twice_claimed(pool)
    late, current = context(pool, settings, first), context(pool, settings, second)
    async with current.fenced() as connection:
        await current.save_checkpoint(connection, {"row": 10})
    with pytest.raises(LeaseLost):
        async with late.fenced():
            pytest.fail("it began")
    with pytest.raises(LeaseLost):
        await late.checkpoint_state()
    assert await current.checkpoint_state() == {"row": 10}
    assert late._lease.lost
    assert late._lease.stopped.result() is Stop.LEASE_LOST


async def test_a_late_run_does_not_wipe_the_checkpoint_of_the_next_one(
    pool: asyncpg.Pool, settings: Settings
) -> None:
    job_id = await add(pool)
    old = await claim(pool, job_id)
    assert old is not None
    await settle(pool, old, "failed")
    await pool.execute(
        "UPDATE jobs SET status = 'pending', run = 2, error = NULL, terminated_at = NULL WHERE id = $1",
        job_id,
    )
    new = await claim(pool, job_id)
    assert new is not None
    current = context(pool, settings, new)
    assert await current.checkpoint_state() is None
    async with current.fenced() as connection:
        await current.save_checkpoint(connection, [1])
    with pytest.raises(LeaseLost):
        await context(pool, settings, old).checkpoint_state()
    assert await current.checkpoint_state() == [1]


async def test_the_next_attempt_waits_for_a_fenced_block_under_way_and_sees_what_it_committed(
    pool: asyncpg.Pool, settings: Settings
) -> None:
    job_id = await add(pool)
    row = await claim(pool, job_id, "first")
    assert row is not None
    first = context(pool, settings, row)
    async with first.fenced() as connection:
        await lose_lease(pool, job_id)
        await endings.rescue_dead(pool, 10)
        row = await claim(pool, job_id, "second")
        assert row is not None
        reading = asyncio.create_task(context(pool, settings, row).checkpoint_state())
        await asyncio.sleep(0.1)
        assert not reading.done()
        await first.save_checkpoint(connection, "from the first")
    assert await reading == "from the first"


async def test_a_worker_that_froze_in_a_fenced_block_does_not_hold_the_next_attempt_up(
    pool: asyncpg.Pool, settings: Settings
) -> None:
    job_id = await add(pool)
    row = await claim(pool, job_id, "frozen")
    assert row is not None
    frozen = context(pool, settings, row)
    await pool.execute(engine_jobs.CREATE_EFFECTS)
    async with AsyncExitStack() as left_open:
        connection = await left_open.enter_async_context(frozen.fenced())
        await connection.execute(engine_jobs.ADD_EFFECT, job_id, 1, 1, 0)
        await lose_lease(pool, job_id)
        await endings.rescue_dead(pool, 10)
        row = await claim(pool, job_id, "next")
        assert row is not None
        async with asyncio.timeout(settings.lease_seconds + 3):
            assert await context(pool, settings, row).checkpoint_state() is None
        # Asyncpg says it in one of three ways, depending on how much of the connection's end it has noticed.
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)):
            await left_open.aclose()
    assert await pool.fetchval("SELECT count(*) FROM effects") == 0


async def test_a_job_that_was_deleted_under_a_late_worker_takes_no_write(
    pool: asyncpg.Pool, settings: Settings
) -> None:
    first, _ = await twice_claimed(pool)
    await pool.execute("DELETE FROM jobs")
    assert await reports.report_if_held(pool, [report(first, 1)], []) == set()
    assert await settle(pool, first, "finished") is None
    with pytest.raises(LeaseLost):
        await context(pool, settings, first).checkpoint_state()


async def test_a_worker_whose_lease_was_taken_stops_its_coroutine_and_writes_nothing(
    pool: asyncpg.Pool, worker: asyncio.Event, tmp_path: Path
) -> None:
    diary = tmp_path / "diary"
    job_id = await add(pool, "noted", {"diary": str(diary), "seconds": 3})
    await until_status(pool, job_id, "running")
    stolen: UUID = uuid4()
    await pool.execute("UPDATE jobs SET lease_id = $2, lease_until = now() + interval '1 hour' WHERE id = $1",
                       job_id, stolen)  # fmt: skip
    await asyncio.sleep(4)
    row = await row_of(pool, job_id)
    assert (row["status"], row["lease_id"]) == ("running", stolen)
    assert diary.read_text().count("ends") == 0
    assert await outcomes_of(pool, job_id) == []
