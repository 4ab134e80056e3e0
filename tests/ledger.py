"""Jobs made and read in PostgreSQL directly, for tests of what happens to them there."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
from uuid_utils.compat import uuid7

from service.jobs import claims, endings
from service.jobs.claims import Tags
from service.jobs.endings import Settlement
from service.jobs.states import PRIORITIES, Priority, Status
from service.jobs.store import NewJob, insert_jobs

ANY = Tags(only_tagged=False, any_tag=True, named=())


def new_job(type_: str = "echo", args: dict[str, Any] | None = None, **facts: Any) -> NewJob:
    """A job to insert, plain but for `facts`."""
    plain: dict[str, Any] = dict.fromkeys(NewJob._fields) | {
        "id": uuid7(),
        "tenant_id": 1,
        "type": type_,
        "queue": "default",
        "priority": PRIORITIES.index(Priority.DEFAULT),
        "max_attempts": 1,
        "timeout_seconds": 3600,
        "created_by": "admin",
        "args": orjson.dumps(args or {}).decode(),
        "labels": "{}",
        "can_rerun": True,
        "publish_link_access_scope": "private",
        "is_scheduled": False,
    }
    return NewJob(**(plain | facts))


async def add(
    pool: asyncpg.Pool, type_: str = "echo", args: dict[str, Any] | None = None, **facts: Any
) -> UUID:
    """Insert one job, without telling any worker."""
    job = new_job(type_, args, **facts)
    await insert_jobs(pool, [job])
    return job.id


async def add_many(
    pool: asyncpg.Pool, count: int, type_: str = "echo", args: dict[str, Any] | None = None
) -> None:
    """Insert many jobs at once, without telling any worker."""
    await insert_jobs(pool, [new_job(type_, args) for _ in range(count)])


async def row_of(pool: asyncpg.Pool, job_id: UUID) -> asyncpg.Record:
    """The job's row."""
    row = await pool.fetchrow("SELECT * FROM jobs WHERE id = $1", job_id)
    assert row is not None
    return row


async def until_row(
    pool: asyncpg.Pool, job_id: UUID, condition: Callable[[asyncpg.Record], object], seconds: float = 15
) -> asyncpg.Record:
    """Poll the job's row until the condition holds."""
    row = await row_of(pool, job_id)
    try:
        async with asyncio.timeout(seconds):
            while not condition(row):
                await asyncio.sleep(0.01)
                row = await row_of(pool, job_id)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {dict(row)}") from None
    return row


async def until_status(
    pool: asyncpg.Pool, job_id: UUID, *statuses: str, seconds: float = 15
) -> asyncpg.Record:
    """Poll the job's row until it has one of these statuses."""
    return await until_row(pool, job_id, lambda row: row["status"] in statuses, seconds)


LEFT = "SELECT status, count(*) FROM jobs WHERE terminated_at IS NULL GROUP BY status"


async def until_none_left(pool: asyncpg.Pool, seconds: float = 30) -> None:
    """Poll until every job has ended."""
    left: dict[str, int] = {}
    try:
        async with asyncio.timeout(seconds):
            while left := {row["status"]: row["count"] for row in await pool.fetch(LEFT)}:
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {left}") from None


async def claim(
    pool: asyncpg.Pool, job_id: UUID, worker_id: str = "w", lease_seconds: float = 15, tags: Tags = ANY
) -> asyncpg.Record | None:
    """Take one job as a worker does."""
    types = ["echo", *(row["type"] for row in await pool.fetch("SELECT DISTINCT type FROM jobs"))]
    (row,) = await claims.claim_pending(pool, [(job_id, uuid4())], worker_id, lease_seconds, tags, types)
    return row


def settlement(row: Mapping[str, Any] | asyncpg.Record, status: str, **facts: Any) -> Settlement:
    """The end of a claim, plain but for `facts`."""
    failed = status == Status.FAILED
    plain: dict[str, Any] = {
        "job_id": row["id"],
        "lease_id": row["lease_id"],
        "status": status,
        "outcome": "handed_back" if status == Status.PENDING else status,
        "next_attempt": False,
        "retry_seconds": 0.0,
        "percent": None,
        "running_output": None,
        "output": "the output" if status == Status.FINISHED else None,
        "response_type": "inline" if status == Status.FINISHED else None,
        "error": '{"code": "x", "message": "y", "retryable": false}' if failed else None,
        "outputs": "[]",
        "link_id": None,
        "messages": 0,
    }
    return Settlement(**(plain | facts))


async def settle(pool: asyncpg.Pool, row: asyncpg.Record, status: str, **facts: Any) -> asyncpg.Record | None:
    """End a claim as a worker does; None when its lease was lost."""
    return (await endings.settle_if_held(pool, [settlement(row, status, **facts)], [])).get(row["id"])


async def lose_lease(pool: asyncpg.Pool, job_id: UUID) -> None:
    """Let a lease run out, as if its worker had been silent for too long."""
    await pool.execute("UPDATE jobs SET lease_until = now() - interval '1 second' WHERE id = $1", job_id)


async def outcomes_of(pool: asyncpg.Pool, job_id: UUID) -> list[tuple[int, int, str]]:
    """The job's ended attempts, oldest first: run, attempt, outcome."""
    rows = await pool.fetch(
        "SELECT run, attempt, outcome FROM attempts WHERE job_id = $1 ORDER BY claim", job_id
    )
    return [tuple(row) for row in rows]


def seconds_between(start: datetime, end: datetime) -> float:
    """How long it took."""
    return (end - start).total_seconds()
