"""Claiming: one worker gets a job, and only one that may."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from ledger import ANY, add, add_many, claim, lose_lease, outcomes_of, row_of, settle
from running import running_worker
from service.db.pool import create_pool
from service.jobs import claims, endings
from service.jobs.claims import Tags
from service.jobs.jobtype import JobTypes
from service.settings import Settings


async def test_of_two_workers_that_claim_one_job_one_gets_it_500_times(
    pool: asyncpg.Pool, database_url: str
) -> None:
    other = await create_pool(database_url, size=8)
    try:
        for _ in range(500):
            job_id = await add(pool)
            first, second = await asyncio.gather(claim(pool, job_id, "a"), claim(other, job_id, "b"))
            assert (first is None) != (second is None)
            won = first or second
            assert won is not None
            row = await row_of(pool, job_id)
            assert (row["status"], row["claim"], row["lease_id"]) == ("running", 1, won["lease_id"])
            assert row["worker_id"] == ("a" if first else "b")
    finally:
        await other.close()


async def test_two_messages_for_one_job_in_one_batch_start_it_once(pool: asyncpg.Pool) -> None:
    job_id = await add(pool)
    rows = await claims.claim_pending(pool, [(job_id, uuid4()), (job_id, uuid4())], "w", 15, ANY, ["echo"])
    assert len([row for row in rows if row is not None]) == 1
    assert (await row_of(pool, job_id))["claim"] == 1


@pytest.mark.parametrize(
    ("tags", "takes"),
    [
        (Tags(only_tagged=False, any_tag=True, named=()), {None, "a", "b"}),
        (Tags(only_tagged=False, any_tag=False, named=("a",)), {None, "a"}),
        (Tags(only_tagged=True, any_tag=False, named=("a",)), {"a"}),
        (Tags(only_tagged=False, any_tag=False, named=("a", "b")), {None, "a", "b"}),
    ],
)
async def test_a_worker_claims_only_what_its_tags_allow(
    pool: asyncpg.Pool, tags: Tags, takes: set[str | None]
) -> None:
    for tag in (None, "a", "b"):
        job_id = await add(pool, worker_tag=tag)
        assert (await claim(pool, job_id, tags=tags) is not None) == (tag in takes)


async def test_a_job_of_a_type_that_the_worker_lacks_is_left_to_others(pool: asyncpg.Pool) -> None:
    job_id = await add(pool, "exotic")
    (row,) = await claims.claim_pending(pool, [(job_id, uuid4())], "w", 15, ANY, ["echo"])
    assert row is None
    assert (await row_of(pool, job_id))["status"] == "pending"


async def test_a_job_is_not_claimed_before_its_time_nor_after_its_last_moment(pool: asyncpg.Pool) -> None:
    early = await add(pool)
    await pool.execute("UPDATE jobs SET due_at = now() + interval '1 minute' WHERE id = $1", early)
    late = await add(pool, expires_in=1)
    await pool.execute("UPDATE jobs SET start_by = now() - interval '1 second' WHERE id = $1", late)
    assert await claim(pool, early) is None
    assert await claim(pool, late) is None


async def test_a_job_that_has_started_in_time_may_be_tried_again_later(pool: asyncpg.Pool) -> None:
    job_id = await add(pool, expires_in=60, max_attempts=2)
    first = await claim(pool, job_id)
    assert first is not None
    await settle(pool, first, "pending", outcome="failed", next_attempt=True)
    await pool.execute("UPDATE jobs SET start_by = now() - interval '1 second' WHERE id = $1", job_id)
    assert await endings.expire_unstarted(pool) == []
    assert await claim(pool, job_id) is not None


async def test_what_expires_is_cancelled_and_says_why_and_is_kept_as_long_as_others(
    pool: asyncpg.Pool,
) -> None:
    await pool.execute("""UPDATE tenants SET retention = '{"jobs": 3}'""")
    job_id = await add(pool, expires_in=1)
    await pool.execute("UPDATE jobs SET start_by = now() - interval '1 second' WHERE id = $1", job_id)
    await endings.expire_unstarted(pool)
    row = await row_of(pool, job_id)
    assert row["status"] == "cancelled"
    assert '"expired"' in row["error"]
    assert row["purge_at"] is not None


async def test_a_lost_worker_costs_no_try_and_the_third_one_fails_the_job(pool: asyncpg.Pool) -> None:
    job_id = await add(pool, max_attempts=5)
    for _ in range(claims.CRASHES_ALLOWED):
        assert await claim(pool, job_id) is not None
        await lose_lease(pool, job_id)
        await endings.rescue_dead(pool, 10)
    row = await row_of(pool, job_id)
    assert (row["status"], row["attempt"]) == ("failed", 1)
    assert '"worker_lost"' in row["error"]
    assert "3 times" in row["output"]
    assert await outcomes_of(pool, job_id) == [(1, 1, "lost")] * 3


async def test_a_lease_that_is_still_good_is_not_rescued(pool: asyncpg.Pool) -> None:
    job_id = await add(pool)
    await claim(pool, job_id)
    assert await endings.rescue_dead(pool, 10) == []


async def test_jobs_on_their_last_chance_start_one_after_the_other_on_a_worker(pool: asyncpg.Pool) -> None:
    suspects = [await add(pool) for _ in range(3)]
    await pool.execute("UPDATE jobs SET crashes = 2")
    plain = [await add(pool) for _ in range(2)]
    wanted = [(job_id, uuid4()) for job_id in (*suspects, *plain)]

    async def claimed(worker: str) -> list[bool]:
        rows = await claims.claim_pending(pool, wanted, worker, 15, ANY, ["echo"])
        return [row is not None for row in rows]

    first = await claimed("w")
    assert sum(first[:3]) == 1
    assert first[3:] == [True, True]
    assert not any(await claimed("w"))
    assert sum((await claimed("another"))[:3]) == 1
    await asyncio.sleep(claims.PROBATION_SECONDS)
    assert sum((await claimed("w"))[:3]) == 1


async def test_of_the_jobs_on_their_last_chance_a_lost_worker_is_charged_to_the_youngest_alone(
    pool: asyncpg.Pool,
) -> None:
    jobs = []
    for _ in range(3):
        job_id = await add(pool)
        await pool.execute("UPDATE jobs SET crashes = 2 WHERE id = $1", job_id)
        await asyncio.sleep(claims.PROBATION_SECONDS)
        assert await claim(pool, job_id, "w")
        jobs.append(job_id)
    fresh = await add(pool)
    assert await claim(pool, fresh, "w")
    for job_id in (*jobs, fresh):  # the oldest lease never runs out after a younger one
        await lose_lease(pool, job_id)
        await endings.rescue_dead(pool, 10)
    rows = [await row_of(pool, job_id) for job_id in (*jobs, fresh)]
    assert [(row["status"], row["crashes"]) for row in rows] == [
        ("pending", 2),
        ("pending", 2),
        ("failed", 3),
        ("pending", 1),
    ]


async def test_an_early_hint_is_not_the_last(
    pool: asyncpg.Pool, settings: Settings, job_types: JobTypes
) -> None:
    """A row that somebody else holds at the moment is skipped by the claim; redeliver offers it again."""
    job_id = await add(pool)
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SELECT 1 FROM jobs WHERE id = $1 FOR UPDATE", job_id)
        async with running_worker(replace(settings, sweep_seconds=0.2), job_types):
            await asyncio.sleep(0.6)
            assert (await row_of(pool, job_id))["status"] == "pending"
            await transaction.rollback()
            async with asyncio.timeout(5):
                while (await row_of(pool, job_id))["status"] != "finished":
                    await asyncio.sleep(0.02)


async def test_a_worker_is_heard_of_often_however_long_a_lease_is(
    settings: Settings, job_types: JobTypes, pool: asyncpg.Pool
) -> None:
    async with running_worker(replace(settings, lease_seconds=600), job_types), asyncio.timeout(12):
        while not await pool.fetchval("SELECT count(*) FROM workers WHERE beat_at > started_at"):
            await asyncio.sleep(0.1)


def scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The nodes of a plan that read jobs."""
    if plan.get("Relation Name") == "jobs" and "Scan" in plan["Node Type"]:
        yield plan
    for inner in plan.get("Plans", ()):
        yield from scans(inner)


async def test_a_claim_costs_the_same_however_many_wait_and_whatever_the_planner_believes(
    pool: asyncpg.Pool,
) -> None:
    await pool.execute("ALTER TABLE jobs SET (autovacuum_enabled = off)")
    await add_many(pool, 1_000)
    await pool.execute("UPDATE jobs SET status = 'cancelled', terminated_at = now()")
    await pool.execute("ANALYZE jobs")  # it believes now that no job ever waits
    waiting = await asyncio.gather(*(add(pool) for _ in range(1_000)))
    wanted = waiting[:20]
    explained = await pool.fetchval(
        f"EXPLAIN (ANALYZE, FORMAT JSON) {claims.CLAIM}",
        *(wanted, [uuid4() for _ in wanted], 15, "w", *ANY, ["echo"], 3, 0.25),
    )
    (told,) = json.loads(explained)
    read = {
        f"{node['Node Type']} {node.get('Index Name')}": (
            node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        )
        * node["Actual Loops"]
        for node in scans(told["Plan"])
    }
    assert read
    assert max(read.values()) <= len(wanted), read
