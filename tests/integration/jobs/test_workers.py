"""GET /api/workers, and the orders to drain and to resume, of workers that are rows alone."""

from typing import Any

import asyncpg
import orjson
import pytest
from aiohttp import ClientSession

from asking import ask, key_for

ADD = """
INSERT INTO workers (id, tags, types, concurrency, version, started_at, beat_at)
VALUES ($1, '{*}', '{echo}', 7, '1', now() - interval '1 minute', now() - make_interval(secs => $2))
"""
AUDITED = "SELECT action, object_type, object_id, changes FROM audit ORDER BY id"


@pytest.fixture(autouse=True)
async def workers(pool: asyncpg.Pool) -> None:
    for name, silent in (("one", 1.0), ("two", 2.0), ("dead", 16.0)):
        await pool.execute(ADD, name, silent)


async def test_those_that_are_alive_are_listed_to_whoever_logs_in(api: ClientSession) -> None:
    listed = (await ask(api, "GET", "/api/workers", headers=await key_for(api, "ugo"))).body["workers"]
    assert [one.pop("id") for one in listed] == ["one", "two"]
    assert listed[0].pop("beat_at") > listed[0].pop("started_at")
    assert listed[0] == {
        "tags": ["*"], "concurrency": 7, "running": 0, "version": "1", "draining": False, "drain_requested_at": None,
    }  # fmt: skip
    assert (await ask(api, "GET", "/api/workers?limit=5")).status == 400


async def test_an_order_is_shown_at_once_of_that_worker_alone_and_draining_is_left_to_it(
    api: ClientSession,
) -> None:
    told = (await ask(api, "POST", "/api/workers/one/drain")).body
    assert told["drain_requested_at"] is not None
    assert not told["draining"]
    one, two = (await ask(api, "GET", "/api/workers")).body["workers"]
    assert one == told
    assert two["drain_requested_at"] is None
    assert (await ask(api, "POST", "/api/workers/one/resume")).body == one | {"drain_requested_at": None}


async def test_repeating_an_order_changes_nothing_and_is_audited(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    at = (await ask(api, "POST", "/api/workers/one/drain")).body["drain_requested_at"]
    assert (await ask(api, "POST", "/api/workers/one/drain")).body["drain_requested_at"] == at
    for _ in range(2):
        assert (await ask(api, "POST", "/api/workers/one/resume")).body["drain_requested_at"] is None
    told: list[Any] = [
        (row["action"], row["object_type"], row["object_id"], orjson.loads(row["changes"]))
        for row in await pool.fetch(AUDITED)
    ]
    assert told == [
        ("drain", "worker", "one", {"drain_requested_at": [None, at]}),
        ("drain", "worker", "one", {}),
        ("resume", "worker", "one", {"drain_requested_at": [at, None]}),
        ("resume", "worker", "one", {}),
    ]


@pytest.mark.parametrize("action", ["drain", "resume"])
@pytest.mark.parametrize("unknown", ["dead", "three", "%00", "%FF", "on%2Fe", "x" * 5_000])
async def test_a_worker_that_is_not_there_is_a_404(api: ClientSession, action: str, unknown: str) -> None:
    answer = await ask(api, "POST", f"/api/workers/{unknown}/{action}")
    assert (answer.status, answer.body["code"]) == (404, "not_found")


async def test_a_tenants_admin_orders_no_worker_of_all_tenants(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    admin = await key_for(api, "ada", "admin")
    for action in ("drain", "resume"):
        answer = await ask(api, "POST", f"/api/workers/one/{action}", headers=admin)
        assert (answer.status, answer.body["code"]) == (403, "forbidden")
    assert await pool.fetchval("SELECT count(*) FROM workers WHERE drain_requested_at IS NOT NULL") == 0
