"""GET /api/stats against data counted by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession

from filling import fill, put
from workers.upkeep.tally import FOLD


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


async def asked(api: ClientSession, query: str = "", token: str | None = None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with api.get(f"/api/stats?{query}", headers=headers) as response:
        told: dict[str, Any] = await response.json()
        assert response.status == 200, told
        return told


async def known_jobs(pool: asyncpg.Pool) -> None:
    """Five ended jobs of known times within the last hour, one before it, four that wait or run."""
    for run, wait in ((1, 10), (2, 20), (3, 30), (4, 40)):
        end = ago(60 + run)
        start = end - timedelta(seconds=run)
        due = start - timedelta(seconds=wait)
        times = {"created_at": due, "due_at": due, "started_at": start, "terminated_at": end}
        await put(pool, "finished" if run < 4 else "failed", type="steps", created_by="anna", **times)
    # A retry has moved due_at: of this one the run is known (9 s), the wait is not.
    times = {"due_at": ago(80), "started_at": ago(89), "terminated_at": ago(80)}
    await put(pool, "finished", queue="slow", created_at=ago(99), attempt=2, **times)
    await put(pool, "finished", created_at=ago(9_000), started_at=ago(9_000), terminated_at=ago(8_000))
    await put(pool, "pending", created_at=ago(500), priority=0)
    await put(pool, "pending", created_at=ago(300), priority=4)
    await put(pool, "pending", created_at=ago(700), due_at=ago(-900))
    await put(pool, "running", created_at=ago(5), worker_id="one")
    await put(pool, "suspended", created_at=ago(5_000))


async def test_stats_are_what_one_counts_by_hand(api: ClientSession, pool: asyncpg.Pool) -> None:
    await known_jobs(pool)
    other = await pool.fetchval("INSERT INTO tenants (code, name) VALUES ('other', 'Other') RETURNING id")
    await fill(pool, 50, tenant_id=other, since=ago(600))
    await put(pool, tenant_id=other, created_at=ago(10_000))
    await pool.execute(
        """INSERT INTO workers (id, tags, types, concurrency, version, started_at, beat_at, draining) VALUES
           ('one', '{a}', '{echo}', 7, '1', now() - interval '2 minutes', now() - interval '3 seconds', true),
           ('two', '{*}', '{echo}', 8, '1', now() - interval '1 minute', now() - interval '14 seconds', false),
           ('dead', '{*}', '{echo}', 9, '1', now(), now() - interval '16 seconds', false)"""
    )
    told = await asked(api)
    workers = told.pop("workers")
    assert abs(told.pop("oldest_waiting_seconds") - 500) < 5
    assert told == {
        "window_seconds": 3600,
        "by_status": {"pending": 3, "suspended": 1, "running": 1, "finished": 5, "failed": 1, "cancelled": 0},
        "by_type": {"echo": 7, "steps": 4},
        "by_queue": {"default": 10, "slow": 1},
        "throughput_per_minute": round(5 / 60, 3),
        "wait_seconds": {"p50": 25.0, "p95": 38.5},
        "run_seconds": {"p50": 3.0, "p95": 8.0},
    }
    assert [
        (one["id"], one["tags"], one["concurrency"], one["running"], one["draining"]) for one in workers
    ] == [
        ("one", ["a"], 7, 1, True),
        ("two", ["*"], 8, 0, False),
    ]
    assert workers[0].keys() == {
        "id", "tags", "concurrency", "running", "version", "started_at", "beat_at", "draining",
        "drain_requested_at",
    }  # fmt: skip


async def test_a_window_counts_what_ended_in_it(api: ClientSession, pool: asyncpg.Pool) -> None:
    await known_jobs(pool)
    wide = await asked(api, "window_seconds=86400")
    assert (wide["window_seconds"], wide["throughput_per_minute"]) == (86400, round(6 / 1440, 3))
    empty = await asked(api, "window_seconds=30")
    assert empty["throughput_per_minute"] == 0
    assert empty["wait_seconds"] == empty["run_seconds"] == {"p50": None, "p95": None}
    assert empty["by_status"] == wide["by_status"]


@pytest.mark.parametrize(
    "query", ["window_seconds=0", "window_seconds=x", "window_seconds=604801", "window=60"]
)
async def test_a_window_that_cannot_be_is_400(api: ClientSession, query: str) -> None:
    async with api.get(f"/api/stats?{query}") as response:
        assert response.status == 400


async def test_nothing_is_there_of_an_empty_tenant(api: ClientSession) -> None:
    told = await asked(api)
    assert set(told["by_status"].values()) == {0}
    assert (told["by_type"], told["by_queue"], told["oldest_waiting_seconds"], told["workers"]) == (
        {},
        {},
        None,
        [],
    )


async def test_who_may_not_read_all_jobs_is_told_of_their_own(api: ClientSession, pool: asyncpg.Pool) -> None:
    await known_jobs(pool)
    async with api.post("/api/keys", json={"name": "x", "principal": "anna", "roles": ["user"]}) as response:
        secret = (await response.json())["secret"]
    await put(pool, created_by="anna", created_at=ago(77))
    told = await asked(api, token=secret)
    assert abs(told["oldest_waiting_seconds"] - 77) < 5
    assert told["by_status"] | {"pending": 1, "finished": 3, "failed": 1} == told["by_status"]
    assert told["by_type"] == {"steps": 4, "echo": 1}
    assert told["throughput_per_minute"] == round(4 / 60, 3)
    assert told["wait_seconds"] == {"p50": 25.0, "p95": 38.5}
    assert told["run_seconds"] == {"p50": 2.5, "p95": 3.85}


COUNTED = "SELECT tenant_id, status, type, queue, count(*) AS jobs FROM jobs GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
TALLIED = """SELECT tenant_id, status, type, queue, sum(jobs)::bigint AS jobs FROM job_tallies
             GROUP BY 1, 2, 3, 4 HAVING sum(jobs) <> 0 ORDER BY 1, 2, 3, 4"""


async def test_tallies_agree_with_the_jobs_whatever_changes_them_and_however_they_are_folded(
    pool: asyncpg.Pool,
) -> None:
    await known_jobs(pool)
    for number in range(1_200):
        await pool.execute("UPDATE jobs SET queue = $1 WHERE status = 'suspended'", f"q{number % 2}")
    await pool.execute("UPDATE jobs SET status = 'suspended' WHERE status = 'pending'")
    await pool.execute("UPDATE jobs SET percent_completed = 5 WHERE status = 'running'")
    await pool.execute("DELETE FROM jobs WHERE status = 'failed'")
    assert await pool.fetch(TALLIED) == await pool.fetch(COUNTED)
    assert await pool.fetchval(FOLD) > 2_000
    assert await pool.fetchval(FOLD) == 0
    assert await pool.fetchval("SELECT count(*) FROM job_tallies") < 20
    assert await pool.fetch(TALLIED) == await pool.fetch(COUNTED)
