"""GET /api/jobs/{id}/explain: each reason, the place in the queue, and the estimates."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession

from filling import put

NAMES = ["reason", "detail", "position", "ahead", "estimated_start_at", "estimated_end_at"]


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


def seconds_from_now(text: str) -> float:
    return (datetime.fromisoformat(text) - datetime.now(UTC)).total_seconds()


async def explained(api: ClientSession, job_id: str) -> dict[str, Any]:
    async with api.get(f"/api/jobs/{job_id}/explain") as response:
        told: dict[str, Any] = await response.json()
        assert response.status == 200, told
        assert list(told) == NAMES
        return told


async def worker(
    pool: asyncpg.Pool, *tags: str, concurrency: int = 2, types: tuple[str, ...] = ("echo", "steps")
) -> None:
    await pool.execute(
        """INSERT INTO workers (id, tags, types, concurrency, version)
           VALUES (gen_random_uuid()::text, $1, $2, $3, '1')""",
        tags or ["*"],
        types,
        concurrency,
    )


async def history(pool: asyncpg.Pool, seconds: float, type_: str = "echo") -> None:
    """Three ended jobs, of which the middle one took so long."""
    for took in (seconds / 2, seconds, seconds * 3):
        await put(
            pool,
            "finished",
            type=type_,
            created_at=ago(5_000),
            started_at=ago(4_000),
            terminated_at=ago(4_000 - took),
        )


@pytest.mark.parametrize("status", ["finished", "failed", "cancelled"])
async def test_a_job_that_has_ended_says_so(api: ClientSession, pool: asyncpg.Pool, status: str) -> None:
    told = await explained(api, await put(pool, status))
    assert told["detail"] == f"The job is {status}."
    assert told == dict.fromkeys(NAMES) | {"reason": "terminal", "detail": told["detail"]}


async def test_a_suspended_job_waits_for_somebody(api: ClientSession, pool: asyncpg.Pool) -> None:
    told = await explained(api, await put(pool, "suspended"))
    assert (told["reason"], told["position"], told["estimated_start_at"]) == ("suspended", None, None)


async def test_a_running_job_ends_by_its_percentage_or_else_by_history(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    alone = await put(pool, "running", created_at=ago(30))
    assert (await explained(api, alone))["estimated_end_at"] is None
    reporting = await put(pool, "running", created_at=ago(90), claimed_at=ago(30), percent_completed=25)
    told = await explained(api, reporting)
    assert (told["reason"], told["position"], told["ahead"]) == ("running", None, None)
    assert abs(seconds_from_now(told["estimated_end_at"]) - 90) < 5


async def test_a_running_job_without_percentage_ends_by_history(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    await history(pool, 50)
    told = await explained(api, await put(pool, "running", created_at=ago(20)))
    assert abs(seconds_from_now(told["estimated_end_at"]) - 30) < 5
    late = await explained(api, await put(pool, "running", created_at=ago(200)))
    assert abs(seconds_from_now(late["estimated_end_at"])) < 5


async def test_a_job_for_later_is_scheduled_and_one_that_failed_before_backs_off(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    await history(pool, 50)
    later = datetime.now(UTC) + timedelta(seconds=300)
    told = await explained(api, await put(pool, due_at=later))
    assert told["reason"] == "scheduled"
    assert abs(seconds_from_now(told["estimated_start_at"]) - 300) < 5
    assert abs(seconds_from_now(told["estimated_end_at"]) - 350) < 5
    retried = await explained(api, await put(pool, due_at=later, attempt=2, max_attempts=3))
    assert (retried["reason"], retried["estimated_start_at"]) == ("retry_backoff", told["estimated_start_at"])
    assert "2 of 3" in retried["detail"]


async def test_without_a_worker_a_job_says_which_is_missing(api: ClientSession, pool: asyncpg.Pool) -> None:
    first, plain, tagged = await put(pool), await put(pool), await put(pool, worker_tag="gpu")
    told = await explained(api, plain)
    assert (told["reason"], told["ahead"], told["position"]) == ("no_worker", 1, 2)
    assert told["estimated_start_at"] is None
    assert (await explained(api, tagged))["reason"] == "no_worker"
    await worker(pool, "cpu", types=("steps",))
    assert "job type echo" in (await explained(api, first))["detail"]
    await worker(pool, "cpu", "disk")
    told = await explained(api, tagged)
    assert (told["reason"], told["ahead"]) == ("no_worker_with_tag", 0)
    assert "gpu" in told["detail"]
    assert (await explained(api, plain))["reason"] == "waiting_turn"
    await worker(pool, "!gpu")
    assert (await explained(api, tagged))["reason"] == "waiting_turn"


async def test_dead_and_draining_workers_do_not_count(api: ClientSession, pool: asyncpg.Pool) -> None:
    waiting = await put(pool)
    await worker(pool)
    await pool.execute("UPDATE workers SET beat_at = now() - interval '16 seconds'")
    assert (await explained(api, waiting))["reason"] == "no_worker"
    await worker(pool)
    await pool.execute("UPDATE workers SET draining = true")
    assert (await explained(api, waiting))["reason"] == "no_worker"
    await worker(pool, "!gpu")
    assert "only tagged" in (await explained(api, waiting))["detail"]


async def test_the_place_in_the_queue_is_the_one_by_which_workers_take(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    await worker(pool)
    mine = await put(pool, created_at=ago(100), worker_tag="a")
    ahead = [
        await put(pool, created_at=ago(101), worker_tag="a"),
        await put(pool, created_at=ago(50), priority=2),  # a class above counts as a minute
        await put(pool, created_at=ago(30), priority=2),  # and mine waits anew from when its lane was served
        await put(pool, created_at=ago(170), priority=0),
        await put(pool, created_at=ago(150)),
    ]
    for behind in (
        {"created_at": ago(99)},
        {"created_at": ago(150), "priority": 0},
    ):
        await put(pool, **behind)
    await put(pool, created_at=ago(500), due_at=ago(-500))
    await put(pool, "suspended", created_at=ago(500))
    told = await explained(api, mine)
    assert (told["reason"], told["ahead"], told["position"]) == ("waiting_turn", len(ahead), len(ahead) + 1)


async def test_jobs_that_only_other_workers_take_are_not_ahead(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    await worker(pool, "!gpu")
    await worker(pool, "cpu")
    for tag in ("gpu", "disk"):
        await put(pool, created_at=ago(100), worker_tag=tag)
    await put(pool, created_at=ago(100), worker_tag="cpu")
    await put(pool, created_at=ago(100))
    await put(pool, created_at=ago(100), type="unknown")
    assert (await explained(api, await put(pool)))["ahead"] == 2
    assert (await explained(api, await put(pool, worker_tag="gpu")))["ahead"] == 1


async def test_starts_and_ends_are_estimated_from_history(api: ClientSession, pool: asyncpg.Pool) -> None:
    waiting = await put(pool, created_at=ago(10))
    await worker(pool, concurrency=2)
    told = await explained(api, waiting)
    assert (told["estimated_start_at"], told["estimated_end_at"]) == (None, None)


async def test_estimates_count_what_goes_before_by_its_type(api: ClientSession, pool: asyncpg.Pool) -> None:
    await history(pool, 60)
    await history(pool, 10, "steps")
    await worker(pool, concurrency=2)
    waiting = await put(pool, created_at=ago(10))
    told = await explained(api, waiting)
    assert abs(seconds_from_now(told["estimated_start_at"])) < 5
    assert abs(seconds_from_now(told["estimated_end_at"]) - 60) < 5
    for _ in range(3):
        await put(pool, created_at=ago(20))
    for _ in range(4):
        await put(pool, created_at=ago(20), type="steps")
    told = await explained(api, waiting)
    assert told["ahead"] == 7
    assert abs(seconds_from_now(told["estimated_start_at"]) - (3 * 60 + 4 * 10) / 2) < 5
    assert abs(seconds_from_now(told["estimated_end_at"]) - 170) < 5


async def test_a_tenant_at_its_cap_waits_for_itself(api: ClientSession, pool: asyncpg.Pool) -> None:
    await worker(pool)
    waiting = await put(pool)
    await put(pool, "running")
    await pool.execute("""UPDATE tenants SET caps = '{"running": 2}'""")
    assert (await explained(api, waiting))["reason"] == "waiting_turn"
    await pool.execute("""UPDATE tenants SET caps = '{"running": 1}'""")
    assert (await explained(api, waiting))["reason"] == "tenant_cap"


async def test_a_tenant_that_has_had_its_share_lets_others_go_first(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    await worker(pool)
    other = await pool.fetchval("INSERT INTO tenants (code, name) VALUES ('other', 'Other') RETURNING id")
    mine = [await put(pool, created_at=ago(100 - n)) for n in range(4)]
    assert (await explained(api, mine[3]))["reason"] == "waiting_turn"
    await put(pool, created_at=ago(20), tenant_id=other)
    await put(pool, created_at=ago(10), tenant_id=other)
    told = [await explained(api, job_id) for job_id in mine]
    assert [one["ahead"] for one in told] == [0, 2, 4, 5]
    assert [one["reason"] for one in told] == ["waiting_turn", "fair_share", "fair_share", "fair_share"]


async def test_who_may_not_see_a_job_is_told_nothing(api: ClientSession, pool: asyncpg.Pool) -> None:
    async with api.post("/api/keys", json={"name": "x", "principal": "anna", "roles": ["user"]}) as response:
        headers = {"Authorization": f"Bearer {(await response.json())['secret']}"}
    async with api.get(f"/api/jobs/{await put(pool)}/explain", headers=headers) as response:
        assert response.status == 404
    async with api.get("/api/jobs/nonsense/explain") as response:
        assert response.status == 404


async def test_retry_after_follows_how_long_such_jobs_take(api: ClientSession, pool: asyncpg.Pool) -> None:
    await history(pool, 25)
    waiting, running, held = (
        await put(pool),
        await put(pool, "running", created_at=ago(10)),
        await put(pool, "suspended"),
    )
    await explained(api, waiting)  # measures

    async def told(job_id: str) -> int:
        async with api.get(f"/api/jobs/{job_id}") as response:
            return int(response.headers["Retry-After"])

    assert await told(waiting) == 25
    assert await told(running) in (14, 15)
    assert await told(held) == 60
    async with api.get(f"/api/jobs/{await put(pool, 'finished')}") as response:
        assert "Retry-After" not in response.headers
