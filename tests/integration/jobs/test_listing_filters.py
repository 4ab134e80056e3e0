"""Every filter of GET /api/jobs, right and wrong."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
from aiohttp import ClientSession

from filling import NOON, all_pages, listed, put

HOUR = timedelta(hours=1)

WANTED: dict[str, Any] = {
    "status": "failed",
    "type": "steps",
    "definition": "nightly",
    "created_by": "anna@example.org",
    "category": "Imports",
    "sub_category": "Dovuti",
    "priority": 3,
    "worker_tag": "gpu",
    "queue": "slow",
    "client_request_id": "r-1",
    "correlation_id": "c-1",
    "idempotency_key": "k-1",
    "labels": {"env": "prod", "team": "a b"},
    "created_at": NOON,
    "updated_at": NOON + HOUR,
    "terminated_at": NOON + 2 * HOUR,
    "description": "The Quarterly report, 100% done",
    "args": {"city": "Forlì", "note": "under_score"},
    "output": "it failed for lack of zeal",
}


@pytest.fixture
async def wanted(pool: asyncpg.Pool) -> str:
    """One job that has everything, among two that have other things or nothing."""
    await put(pool, "pending", created_at=NOON - 3 * HOUR)
    await put(
        pool,
        "cancelled",
        type="echo",
        definition="daily",
        created_by="bruno@example.org",
        category="Exports",
        sub_category="Dues",
        worker_tag="cpu",
        client_request_id="r-2",
        correlation_id="c-2",
        idempotency_key="k-2",
        labels={"env": "test", "team": "b"},
        created_at=NOON + 5 * HOUR,
        description="The monthly report",
    )
    return await put(pool, **WANTED)


RIGHT = [
    "status=failed", "status=failed,running", "status=failed&status=running", "type=steps", "type=steps,other",
    "definition=nightly", "definition=nightly,x", "created_by=anna@example.org", "created_by=anna@example.org,nobody",
    "category=Imports", "category=Imports,None", "sub_category=Dovuti", "priority=high", "priority=high,critical",
    "worker_tag=gpu", "worker_tag=gpu,tpu", "queue=slow", "client_request_id=r-1", "correlation_id=c-1",
    "idempotency_key=k-1", "idempotency_key=k-1,k-9", "label.env=prod", "label.env=prod,dev",
    "label.env=prod&label.env=dev", "label.env=prod&label.team=a%20b", "label.env=dev,prod&label.team=a%20b,x",
    f"created_from={NOON.isoformat()[:19]}Z&created_to={NOON.isoformat()[:19]}Z",
    "updated_from=2026-10-22T13:00:00Z&updated_to=2026-10-22T13:00:00.000Z",
    "terminated_from=2026-10-22T14:00:00Z&terminated_to=2026-10-22T15:00:00%2B01:00",
    "q=quarterly", "q=QUARTERLY%20report", "q=FORL%C3%8C", "q=zeal", "q=quarterly%20zeal%20forl%C3%AC", "q=100%25",
    "q=r_score", "status=failed&type=steps&label.env=prod&q=report",
]  # fmt: skip


@pytest.mark.parametrize("query", RIGHT)
async def test_a_filter_finds_what_matches_and_nothing_else(
    api: ClientSession, wanted: str, query: str
) -> None:
    page = await listed(api, f"{query}&count=true")
    assert [job["id"] for job in page["jobs"]] == [wanted]
    assert page["count"] == 1


WRONG = [
    "status=running", "type=step", "definition=Nightly", "created_by=anna", "category=imports", "sub_category=x",
    "priority=critical", "worker_tag=g", "queue=fast", "client_request_id=r-", "correlation_id=x",
    "idempotency_key=k-3", "label.env=PROD", "label.env=pro", "label.nothing=prod", "label.env=prod&label.team=b",
    "label.env=x,y", "number=999999", "created_from=2026-10-22T12:00:00.001Z&created_to=2026-10-22T13:00:00Z",
    "terminated_to=2026-10-22T13:59:59.999Z&terminated_from=2026-10-22T13:00:00Z", "q=yearly",
    "q=quarterly%20monthly", "q=100%25%25", "q=under.score", "status=failed&type=echo",
]  # fmt: skip


@pytest.mark.parametrize("query", WRONG)
async def test_a_filter_that_nothing_matches_finds_nothing(
    api: ClientSession, wanted: str, query: str
) -> None:
    assert wanted
    assert await listed(api, f"{query}&count=true") == {"jobs": [], "count": 0}


async def test_numbers_are_found_one_or_several(api: ClientSession, wanted: str) -> None:
    jobs = (await listed(api, "sort=number"))["jobs"]
    first, _, third = (job["number"] for job in jobs)
    assert [job["number"] for job in (await listed(api, f"number={first},{third}&sort=number"))["jobs"]] == [
        first,
        third,
    ]
    assert [job["id"] for job in (await listed(api, f"number={third}"))["jobs"]] == [wanted]


BAD = {
    "status=done": "pending, suspended, running, finished, failed, cancelled",
    "priority=urgent": "low, default, medium, high, critical",
    "sort=size": "-created_at",
    "number=many": "number",
    "created_from=yesterday": "created_from",
    "limit=0": "limit",
    "limit=1001": "limit",
    "count=maybe": "count",
    "fields=id,colour": "percent_completed",
    "include=everything": "messages, attempts",
    "colour=red": "colour",
    "cursor=x": "cursor",
    "q=" + "%20".join("abcdefghijk"): "10 words",
    "label.env=a%00b": "NUL",
}


@pytest.mark.parametrize("query", BAD)
async def test_a_query_that_does_not_parse_is_400_and_names_the_words(api: ClientSession, query: str) -> None:
    async with api.get(f"/api/jobs?{query}") as response:
        problem = await response.json()
        assert (response.status, problem["code"]) == (400, "malformed")
        assert BAD[query] in problem["detail"]


async def test_fields_are_shown_alone_and_what_is_included_beside_them(
    api: ClientSession, pool: asyncpg.Pool, wanted: str
) -> None:
    await pool.execute(
        "INSERT INTO job_messages SELECT $1, n, now(), 'info', 'line ' || n, NULL FROM generate_series(1, 150) AS n",
        wanted,
    )
    await pool.execute(
        "INSERT INTO attempts VALUES ($1, 1, 1, 1, 'w', now(), now(), 'failed', '{\"code\": \"x\"}')", wanted
    )
    page = await listed(api, "status=failed&fields=id,status&include=messages,attempts")
    (one,) = page["jobs"]
    assert list(one) == ["id", "status", "messages", "attempts"]
    assert [said["seq"] for said in one["messages"]] == list(range(141, 151))
    assert one["messages"][0].keys() == {"seq", "time", "level", "text", "tool_id"}
    assert one["attempts"][0] | {"started_at": 0, "ended_at": 0} == {
        "run": 1, "attempt": 1, "claim": 1, "worker": "w", "started_at": 0, "ended_at": 0, "outcome": "failed",
        "error": {"code": "x"},
    }  # fmt: skip
    async with api.get(f"/api/jobs/{wanted}?include=messages&fields=number") as response:
        read = await response.json()
    assert list(read) == ["number", "messages"]
    assert [said["seq"] for said in read["messages"]] == list(range(51, 151))


async def test_every_member_of_a_job_may_be_asked_for(api: ClientSession, wanted: str) -> None:
    async with api.get(f"/api/jobs/{wanted}") as response:
        whole = await response.json()
    page = await listed(api, f"status=failed&fields={','.join(whole)}")
    assert page["jobs"] == [whole]


async def test_a_search_ends_its_page_in_time_and_goes_on_from_there(
    api: ClientSession, pool: asyncpg.Pool, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("SEARCH_SECONDS", 0.0), ("FIRST_STEP", 7)):
        monkeypatch.setattr(f"service.jobs.pages.{name}", value)
    for _ in range(30):
        await put(pool)
    page = await listed(api, "q=quarterly&sort=created_at&limit=5")
    assert [job["id"] for job in page["jobs"]] == [wanted]
    assert "next" in page
    assert [job["id"] for job in await all_pages(api, "q=quarterly&limit=5")] == [wanted]
    assert len(await all_pages(api, "q=report&limit=1")) == 2


@pytest.mark.parametrize("path", ["/it/api/jobs", "/lang/api/jobs"])
async def test_the_next_page_stays_under_the_path_that_was_asked(
    api: ClientSession, wanted: str, path: str
) -> None:
    page = await listed(api, f"limit=1&label.env={quote('prod,test')}", path=path)
    assert wanted
    assert page["next"].startswith(f"{path}?limit=1&label.env=")
    rest = await listed(api, page["next"].partition("?")[2], path=path)
    assert [len(page["jobs"]), len(rest["jobs"]), "next" in rest] == [1, 1, False]
