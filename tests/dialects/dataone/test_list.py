"""Data One: the list of jobs against a Python evaluation of its 19 filters and its sorts."""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aiohttp import ClientSession

from asking import ask, key_for, other_tenant
from filling import put
from service.dialects.dataone import listing
from service.dialects.dataone.statements import ORDERS
from service.jobs.states import Status

from .conftest import JOBS, Client

ClientOf = Callable[[dict[str, str]], Client]
Job = dict[str, Any]
NOON = datetime(2026, 10, 22, 12, tzinfo=UTC)


def of_instance(name: str) -> Callable[[Job], str]:
    return lambda job: str(job["contractActionWorkflowInstance"][name])


SHOWN: dict[str, Callable[[Job], str]] = {
    "id": lambda job: str(job["id"]),
    "status": lambda job: str(job["status"]),
    "queue": lambda job: str(job["queue"]),
    "contract": lambda job: str(job["contract"]),
    "workflowTemplateId": of_instance("workflowTemplateId"),
    "workflowTemplateName": of_instance("workflowTemplateName"),
    "workflowTemplateRevision": of_instance("workflowTemplateRevision"),
    "extIPID": lambda job: str(job["extIPID"]),
    "submittedBy": lambda job: str(job["submittedBy"]),
    "dfiid": lambda job: str(job["dfic"]["dfiid"]),
    "lcid": lambda job: str(job["dfic"]["lcid"]),
    "actor": lambda job: str(job["actor"]),
    "contractAction": lambda job: str(job["contractAction"]),
    "contractType": lambda job: str(job["contractType"]),
    "contractActionTrigger": lambda job: str(job["contractActionTrigger"]),
}
BOUNDS = {
    "createdAtFrom": lambda job, bound: job["createdAt"] >= bound,
    "createdAtTo": lambda job, bound: job["createdAt"] <= bound,
    "updatedAtFrom": lambda job, bound: job["updatedAt"] >= bound,
    "updatedAtTo": lambda job, bound: job["updatedAt"] <= bound,
}
SORTS: dict[str, Callable[[Job], Any]] = {
    "id": lambda job: int(job["id"]),
    "status": SHOWN["status"],
    "queue": SHOWN["queue"],
    "contract": SHOWN["contract"],
    "workflowTemplateId": lambda job: int(SHOWN["workflowTemplateId"](job)),
    "workflowTemplateName": SHOWN["workflowTemplateName"],
    "workflowTemplateRevision": lambda job: int(SHOWN["workflowTemplateRevision"](job)),
    "submittedBy": SHOWN["submittedBy"],
    "createdAt": lambda job: job["createdAt"],
    "updatedAt": lambda job: job["updatedAt"],
}


async def put_many(pool: asyncpg.Pool, count: int) -> None:
    """Put jobs that share values of all kinds, and have some of their own."""
    chance, roots = random.Random(19), [None, uuid4(), uuid4()]
    for number in range(count):
        created = NOON + timedelta(seconds=chance.randrange(20), milliseconds=chance.randrange(3))
        await put(
            pool,
            chance.choice(list(Status)),
            created_at=created,
            updated_at=created + timedelta(seconds=chance.randrange(5)),
            type=chance.choice(["echo", "sleep", "steps", "uninstalled"]),
            definition=chance.choice([None, "nightly", "echo"]),
            queue=chance.choice(["default", "Default", "slow", "è'\"%_"]),
            created_by=chance.choice(["admin", "anna@example.org", "bob"]),
            correlation_id=chance.choice([None, "", "order 1", "ORDER 1"]),
            idempotency_key=chance.choice([None, f"k{number}", "shared"]),
            root_id=chance.choice(roots),
            action=chance.choice([None, "run", "export"]),
            is_scheduled=chance.choice([False, True]),
            labels={"n": str(number)},
        )


@pytest.fixture
async def all_jobs(pool: asyncpg.Pool, client: Client) -> list[Job]:
    """Eighty jobs, as the list shows them."""
    await put_many(pool, 80)
    jobs = await client.jobs(maxItems=1000)
    assert len(jobs) == 80
    return jobs


def ids(jobs: list[Job]) -> list[int]:
    return sorted(int(job["id"]) for job in jobs)


def test_all_filters_and_sorts_are_tested() -> None:
    asked = {field.data_key or name for name, field in listing.JobsIn().fields.items()}
    assert asked - {"maxItems", "sort", "cursor"} == SHOWN.keys() | BOUNDS.keys()
    assert len(SHOWN) + len(BOUNDS) == 19
    assert {name.removeprefix("-") for name in ORDERS} == SORTS.keys()


@pytest.mark.parametrize("name", SHOWN)
async def test_a_filter_matches_exactly(client: Client, all_jobs: list[Job], name: str) -> None:
    values = {SHOWN[name](job) for job in all_jobs}
    assert len(values) > 1 or name == "workflowTemplateRevision"
    for value in sorted(values)[:12]:
        wanted = [job for job in all_jobs if SHOWN[name](job) == value]
        found = await client.jobs(**{name: value}, maxItems=7)
        assert ids(found) == ids(wanted), value
    is_word = name in ("status", "contractType", "contractActionTrigger")
    is_long = name in ("id", "workflowTemplateId", "workflowTemplateRevision")
    for value in ("9223372036854775807", "-9223372036854775808", "0") if is_long else ("x", "X" * 7_000, "%"):
        answer = await client.get(**{name: value})
        assert answer.status == (400 if is_word else 200), answer
        assert is_word or answer.body == {"jobs": []}


@pytest.mark.parametrize("name", BOUNDS)
async def test_a_bound_is_inclusive(client: Client, all_jobs: list[Job], name: str) -> None:
    shown = "createdAt" if name.startswith("created") else "updatedAt"
    for value in sorted({job[shown] for job in all_jobs})[::5]:
        wanted = ids([job for job in all_jobs if BOUNDS[name](job, value)])
        moment = datetime.fromisoformat(value)
        rome = moment.astimezone(tz=datetime.fromisoformat("2024-03-26T13:30:30+01:00").tzinfo).isoformat()
        assert "+01:00" in rome
        for text in (value, rome, rome.replace("+", " "), rome.replace("+01:00", "+0100")):
            assert ids(await client.jobs(**{name: text})) == wanted, text
    raw = await ask(client._api, "GET", f"{JOBS}?{name}=2024-03-26T13:30:30+01:00")
    assert raw.status == 200


async def test_the_uuid_is_no_lcid_and_no_dfiid_of_a_job_that_has_another(
    client: Client, all_jobs: list[Job]
) -> None:
    uuid = of_instance("id")
    for name in ("lcid", "dfiid"):
        others = [job for job in all_jobs if SHOWN[name](job) != uuid(job)]
        assert len(others) > 10
        for job in others[:10]:
            assert await client.jobs(**{name: uuid(job)}) == []


async def test_filters_hold_together(client: Client, all_jobs: list[Job]) -> None:
    chance, hits = random.Random(5), 0
    for _ in range(60):
        names, like = chance.sample(sorted(SHOWN), 3), chance.choice(all_jobs)
        query = {name: SHOWN[name](like) for name in names}
        wanted = [job for job in all_jobs if all(SHOWN[name](job) == query[name] for name in names)]
        assert ids(await client.jobs(**query)) == ids(wanted), query
        hits += len(wanted) > 1
    assert hits > 10


@pytest.mark.parametrize("name", SORTS)
async def test_a_sort_goes_both_ways_and_its_pages_leave_nothing_out(
    client: Client, all_jobs: list[Job], name: str
) -> None:
    keys = sorted(SORTS[name](job) for job in all_jobs)
    for sort in (f"+{name}", f" {name}", name):
        found = await client.jobs(sort=sort, maxItems=9)
        assert [SORTS[name](job) for job in found] == keys
        assert ids(found) == ids(all_jobs)
    found = await client.jobs(sort=f"-{name}", maxItems=11)
    assert [SORTS[name](job) for job in found] == keys[::-1]
    assert ids(found) == ids(all_jobs)
    raw = await ask(client._api, "GET", f"{JOBS}?sort=+{name}&maxItems=1")
    assert raw.body["jobs"] == (await client.get(sort=name, maxItems=1)).body["jobs"]


async def test_newest_first_and_a_hundred_by_default(client: Client, pool: asyncpg.Pool) -> None:
    await put_many(pool, 130)
    page = await client.get()
    assert [int(job["id"]) for job in page.body["jobs"]] == sorted(ids(page.body["jobs"]), reverse=True)
    assert len(page.body["jobs"]) == 100
    assert len(await client.jobs()) == 130
    assert "next" not in (await client.get(maxItems=130)).body


@pytest.mark.parametrize("sort", [f"{sign}{name}" for name in SORTS for sign in "+-"])
async def test_pages_are_whole_while_jobs_come_go_and_change(
    client: Client, pool: asyncpg.Pool, sort: str
) -> None:
    await put_many(pool, 60)
    before = await client.jobs(maxItems=1000)
    steady = {job["id"] for job in before[10:]}  # the others are deleted, or change
    page = await client.get(sort=sort, maxItems=7)
    seen = [job["id"] for job in page.body["jobs"]]
    turn = 0
    while "next" in page.body:
        await put_many(pool, 3)
        number = int(before[turn % 10]["id"])
        if turn % 2:
            await pool.execute("DELETE FROM jobs WHERE number = $1", number)
        else:
            await pool.execute("UPDATE jobs SET updated_at = now(), queue = 'z' WHERE number = $1", number)
        page = await ask(client._api, "GET", page.body["next"])
        seen += [job["id"] for job in page.body["jobs"]]
        turn += 1
        assert turn < 60
    assert steady <= set(seen)
    still = [job_id for job_id in seen if job_id in steady]
    assert len(still) == len(steady)


async def test_fifteen_hundred_jobs_are_walked_through_while_others_come(
    client: Client, pool: asyncpg.Pool
) -> None:
    await pool.execute(MANY, 1_500)
    wanted = set(range(1, 1_501))
    for sort in ("-id", "+createdAt", "-submittedBy", "+workflowTemplateName"):
        page, seen = await client.get(sort=sort, maxItems=100, queue="default"), []
        while True:
            seen += [int(job["id"]) for job in page.body["jobs"]]
            if "next" not in page.body:
                break
            await pool.execute(MANY, 5)
            page = await ask(client._api, "GET", page.body["next"])
        assert len(seen) == len(set(seen))
        assert wanted <= set(seen)


MANY = """
WITH made AS (
    INSERT INTO jobs (id, tenant_id, type, due_at, created_by, created_at, updated_at)
    SELECT gen_random_uuid(), 1, 'echo', now(), 'admin', now(), now() FROM generate_series(1, $1)
    RETURNING id
)
INSERT INTO job_requests (job_id, tenant_id, args, modified_by) SELECT id, 1, '{}', 'admin' FROM made
"""


async def test_a_job_of_a_schedule_says_so(client: Client, api: ClientSession, worker: object) -> None:
    definition = {"code": "often", "type": "echo", "name": "Often", "schedule": {"cron": "* * * * * ?"}}
    assert (await ask(api, "POST", "/api/job-definitions", json=definition)).status == 201
    async with asyncio.timeout(15):
        while not (fired := await client.jobs(contractActionTrigger="schedule")):
            await asyncio.sleep(0.05)
    assert {(job["contract"], job["contractAction"]) for job in fired} == {("often", "run")}
    assert (await ask(api, "DELETE", "/api/job-definitions/often")).status == 204
    made = await client.submit()
    assert made["contractActionTrigger"] == "on-demand"
    assert [job["id"] for job in await client.jobs(contractActionTrigger="on-demand")] == [made["id"]]


BAD = [
    ("maxItems", "0"), ("maxItems", "1001"), ("maxItems", "-1"), ("maxItems", "x"), ("maxItems", ""),
    ("maxItems", "9" * 400), ("sort", ""), ("sort", "*id"), ("sort", "--id"), ("sort", "+odd"), ("sort", "ID"),
    ("sort", "id,status"), ("sort", "id; DROP TABLE jobs"), ("id", ""), ("id", "x"), ("id", "1.5"),
    ("id", str(2**63)), ("id", "9" * 30), ("id", "9" * 5_000), ("workflowTemplateId", "x"),
    ("workflowTemplateId", str(2**63)), ("workflowTemplateRevision", "1.0"), ("status", "submitted"), ("status", ""),
    ("status", "SUBMITTED,RUNNING"), ("contractType", "Type"), ("contractActionTrigger", "manual"),
    ("createdAtFrom", "yesterday"), ("createdAtTo", "2024-03-26"), ("updatedAtFrom", "2024-03-26T13:30:30"),
    ("updatedAtTo", "2024-02-30T13:30:30Z"), ("createdAtFrom", ""), ("createdAtFrom", "99999-01-01T00:00:00Z"),
    ("queue", "a\0b"), ("extIPID", "\0"), ("contract", "\0" * 100), ("cursor", ""), ("cursor", "x" * 3_000),
    ("cursor", "é"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD)
async def test_a_bad_parameter_is_malformed(client: Client, name: str, value: str) -> None:
    refused = await client.get(**{name: value})
    assert (refused.status, refused.body["code"]) == (400, "malformed")
    assert name in refused.body["detail"]


async def test_a_parameter_that_is_given_twice_is_malformed_and_an_unknown_one_ignored(
    client: Client, api: ClientSession
) -> None:
    await client.submit()
    assert (await ask(api, "GET", f"{JOBS}?queue=a&queue=b")).status == 400
    assert len((await ask(api, "GET", f"{JOBS}?odd=1&odd=2&limit=x&page=\0")).body["jobs"]) == 1


async def test_a_cursor_is_of_one_list_alone(client: Client, client_of: ClientOf, api: ClientSession) -> None:
    for _ in range(3):
        await client.submit()
    page = await client.get(maxItems=1)
    for other in ("sort=%2Bid", "queue=default"):
        assert (await ask(api, "GET", f"{page.body['next']}&{other}")).status == 400
    stranger = await other_tenant(api)
    assert (await ask(api, "GET", page.body["next"], headers=stranger)).status == 400


async def test_the_plain_uuid_is_an_id_too(client: Client) -> None:
    made, _ = await client.submit(), await client.submit()
    for job_id in (made["id"], made["contractActionWorkflowInstance"]["id"]):
        assert [job["id"] for job in await client.jobs(id=job_id)] == [made["id"]]
    assert await client.jobs(id=str(uuid4())) == []


async def test_who_sees_what(client: Client, client_of: ClientOf, api: ClientSession) -> None:
    mine = (await client.submit())["id"]
    definition = {"code": "shared", "type": "echo", "name": "Shared", "shared_with": ["bob"]}
    assert (await ask(api, "POST", "/api/job-definitions", json=definition)).status == 201
    shared = (await client.submit("shared"))["id"]
    bob = client_of(await key_for(api, "bob", "user", grants=("workflow",)))
    bobs = (await bob.submit())["id"]
    everything = {mine, shared, bobs}
    stranger = client_of(await other_tenant(api))
    theirs = (await stranger.submit())["id"]
    seen = {
        "eve": ("user", (), set()),
        "bob": ("user", (), {shared, bobs}),
        "granted": ("user", ("workflow",), set()),
        "viewer": ("viewer", (), everything),
        "curator": ("curator", (), everything),
        "admin": ("admin", (), everything),
    }
    for who, (role, grants, wanted) in seen.items():
        asking = client_of(await key_for(api, who, role, grants=grants))
        assert {job["id"] for job in await asking.jobs()} == wanted, who
        for job_id in everything | {theirs}:
            assert bool(await asking.jobs(id=job_id)) == (job_id in wanted), who
        for sort in ("+status", "-contract", "+workflowTemplateName", "-updatedAt"):
            assert {job["id"] for job in await asking.jobs(sort=sort, maxItems=1)} == wanted, who
    assert [job["id"] for job in await stranger.jobs()] == [theirs]
    assert (await ask(api, "GET", JOBS, headers={"Authorization": "Bearer x"})).status == 401


async def test_deleted_jobs_are_absent(client: Client, api: ClientSession) -> None:
    made = await client.submit()
    native = made["contractActionWorkflowInstance"]["id"]
    assert (await ask(api, "DELETE", f"/api/jobs/{native}")).status == 204
    assert await client.jobs() == []
    assert await client.jobs(id=made["id"]) == []
