"""GET /api/stats/details against data counted by hand."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession

from asking import ask, key_for
from filling import fill, put
from service.jobs.details import MOST_OF_A_STEP


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


async def asked(api: ClientSession, query: str = "", headers: dict[str, str] | None = None) -> dict[str, Any]:
    answer = await ask(api, "GET", f"/api/stats/details?{query}", headers=headers or {})
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.body
    return body


async def ended(pool: asyncpg.Pool, seconds_ago: float, *, wait: float, run: float, **given: Any) -> None:
    end = ago(seconds_ago)
    start = end - timedelta(seconds=run)
    due = start - timedelta(seconds=wait)
    status = given.pop("status", "finished")
    await put(pool, status, created_at=due, due_at=due, started_at=start, terminated_at=end, **given)


async def test_each_step_tells_what_ended_in_it(api: ClientSession, pool: asyncpg.Pool) -> None:
    await ended(pool, 100, wait=2, run=4)
    await ended(pool, 110, wait=4, run=8)
    await ended(pool, 700, wait=1, run=1, status="failed", type="steps")
    await ended(pool, 1900, wait=1, run=1)
    told = await asked(api, "window_seconds=1800&steps=3")
    assert (told["window_seconds"], told["step_seconds"]) == (1800, 600)
    points = told["points"]
    assert [(one["ended"], one["failed"], one["sampled"]) for one in points] == [
        (0, 0, False),
        (1, 1, False),
        (2, 0, False),
    ]
    assert points[0]["wait_p50"] is None
    assert (points[2]["wait_p50"], points[2]["run_p50"]) == (3.0, 6.0)
    assert points[2]["wait_p95"] == pytest.approx(3.9, abs=0.01)
    assert points[2]["run_p95"] == pytest.approx(7.8, abs=0.01)
    at = [datetime.fromisoformat(one["at"]) for one in points]
    assert [later - one for one, later in pairwise(at)] == [timedelta(minutes=10)] * 2
    assert abs((at[-1] - datetime.now(UTC)).total_seconds()) < 30


async def test_a_step_with_many_ends_tells_the_pace_of_its_latest(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    await fill(pool, 10_000, since=ago(300))  # ten to a millisecond: a second of them
    (point,) = (await asked(api, "window_seconds=300&steps=1"))["points"]
    assert point["sampled"]
    assert point["ended"] >= MOST_OF_A_STEP
    assert (await asked(api, "window_seconds=200&steps=1"))["points"][0]["ended"] == 0


async def test_failing_types_and_queues(api: ClientSession, pool: asyncpg.Pool) -> None:
    for number in range(3):
        code = {"code": f"code_{number}", "message": "x", "retryable": False}
        await ended(pool, 60 - number, wait=0, run=1, status="failed", type="steps", error=code)
    await ended(pool, 60, wait=0, run=1, status="failed")
    await ended(pool, 9_000, wait=0, run=1, status="failed")
    await put(pool, "pending", queue="slow")
    await put(pool, "suspended", queue="slow")
    await put(pool, "running")
    told = await asked(api)
    assert told["failing"] == [
        {"type": "steps", "failed": 3, "error_code": "code_2"},
        {"type": "echo", "failed": 1, "error_code": "x"},
    ]
    assert told["queues"] == [
        {"queue": "default", "pending": 0, "suspended": 0, "running": 1},
        {"queue": "slow", "pending": 1, "suspended": 1, "running": 0},
    ]


async def test_who_may_not_read_all_is_told_of_their_own_alone(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    await ended(pool, 60, wait=1, run=2, created_by="anna")
    await ended(pool, 60, wait=1, run=2, created_by="anna", status="failed")
    await ended(pool, 60, wait=5, run=9, created_by="olga", status="failed", queue="hers")
    told = await asked(api, "steps=1", await key_for(api, "anna", "user"))
    (point,) = told["points"]
    assert (point["ended"], point["failed"], point["run_p95"]) == (2, 1, 2.0)
    assert told["failing"] == [{"type": "echo", "failed": 1, "error_code": "x"}]
    assert told["queues"] == [{"queue": "default", "pending": 0, "suspended": 0, "running": 0}]
    other = await asked(api, "steps=2", await key_for(api, "ugo", "user"))
    assert (other["failing"], other["queues"]) == ([], [])
    assert [one["ended"] for one in other["points"]] == [0, 0]


@pytest.mark.parametrize("query", ["steps=0", "steps=121", "steps=x", "window_seconds=0", "who=x"])
async def test_a_query_that_is_out_of_range_is_a_400(api: ClientSession, query: str) -> None:
    assert (await ask(api, "GET", f"/api/stats/details?{query}")).status == 400
