"""POST /api/jobs/batch, and what keys make of repeated submissions."""

import asyncio
import re
from collections import Counter
from typing import Any

import asyncpg
from aiohttp import ClientSession

from asking import ask, key_for, other_tenant, pointers
from running import Submit

REPLAYED = "Idempotency-Replayed"


async def test_one_bad_item_does_not_spoil_the_rest(api: ClientSession) -> None:
    items: list[Any] = [
        {"type": "echo", "args": {"n": 1}}, {"type": "no such"}, 7, None, {"type": "echo", "colour": 1},
        {"type": "echo", "description": "a\0b"}, {"type": "echo", "run_at": "x", "args": []},
        {"type": "echo", "attachment": {"file": "?"}}, {"type": "echo", "args": {"n": 2}},
    ]  # fmt: skip
    answer = await ask(api, "POST", "/api/jobs/batch", json=items)
    assert answer.status == 207
    assert [one["status"] for one in answer.body] == [201, 422, 422, 422, 422, 422, 422, 422, 201]
    assert [one["job"]["args"]["n"] for one in answer.body if "job" in one] == [1, 2]
    assert [one["problem"]["code"] for one in answer.body[1:3]] == ["unknown_job_type", "invalid"]
    faults = [[fault["pointer"] for fault in one["problem"]["errors"]] for one in answer.body[1:-1]]
    assert faults == [
        ["#/type"], ["#"], ["#"], ["#/colour"], ["#/description"], ["#/args", "#/run_at"], ["#/attachment/file"],
    ]  # fmt: skip
    for one in answer.body[0::8]:
        assert (await ask(api, "GET", f"/api/jobs/{one['job']['id']}")).body == one["job"]


async def test_items_of_all_kinds_are_made_once_each_and_counted_once(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    stored = {"code": "stored", "type": "echo", "args": {"of": "definition"}}
    assert (await ask(api, "POST", "/api/job-definitions", json=stored)).status == 201
    before = await counted(api)
    items = [
        {"type": "echo"},
        {"definition": "stored"},
        {"definition": "nobody's"},
        {"type": "echo", "attachment": {"file": "YWJj"}},
        {"type": "echo", "priority": "no such"},
        {"type": "echo", "idempotency_key": "k"},
        {"type": "echo", "idempotency_key": "with a file", "attachment": {"file": "YWJj"}},
    ] * 2
    answer = await ask(api, "POST", "/api/jobs/batch", json=items)
    statuses = [one["status"] for one in answer.body]
    assert statuses[:5] == statuses[7:12] == [201, 201, 422, 201, 422]
    assert [sorted(statuses[place::7]) for place in (5, 6)] == [[200, 201]] * 2, "who is first may make it"
    assert [answer.body[place]["job"]["args"] for place in (1, 8)] == [{"of": "definition"}] * 2
    assert answer.body[3]["job"]["attachment"]["size"] == 3
    made = {one["job"]["id"] for one in answer.body if one["status"] == 201}
    assert {str(row["id"]) for row in await pool.fetch("SELECT id FROM jobs")} == made
    after = await counted(api)
    assert {outcome: after[outcome] - before[outcome] for outcome in after} == {
        "created": 8,
        "replayed": 2,
        "refused": 4,
    }


async def counted(api: ClientSession) -> Counter[str]:
    """How many submissions came to what."""
    async with api.get("/metrics") as response:
        rows = re.findall(
            r'^jobs_submitted_total{.*outcome="(\w+)".*} (\S+)$', await response.text(), re.MULTILINE
        )
    found: Counter[str] = Counter()
    for outcome, count in rows:
        found[outcome] += int(float(count))
    return found


async def test_a_batch_is_an_array_of_at_most_a_thousand(api: ClientSession) -> None:
    assert (await ask(api, "POST", "/api/jobs/batch", json=[])).body == []
    thousand = await ask(api, "POST", "/api/jobs/batch", json=[{"type": "echo"}] * 1_000)
    assert {one["status"] for one in thousand.body} == {201}
    more = await ask(api, "POST", "/api/jobs/batch", json=[{"type": "echo"}] * 1_001)
    assert (more.status, more.body["code"]) == (413, "too_large")
    assert "1000 jobs" in more.body["detail"]
    assert pointers(await ask(api, "POST", "/api/jobs/batch", json={"type": "echo"})) == ["#"]


async def test_the_same_key_with_the_same_request_is_the_same_job(api: ClientSession) -> None:
    asked = {"type": "echo", "args": {"a": 1, "b": [2]}, "attachment": {"file": "YQ=="}}
    swapped = {
        "attachment": {"file": "YQ=="},
        "args": {"b": [2], "a": 1},
        "type": "echo",
        "idempotency_key": "k",
    }
    first = await ask(api, "POST", "/api/jobs", json=asked, headers={"Idempotency-Key": "k"})
    assert (first.status, REPLAYED in first.headers, first.body["idempotency_key"]) == (201, False, "k")
    for body, headers in (
        (asked, {"Idempotency-Key": "k"}),
        (swapped, {}),
        (swapped, {"Idempotency-Key": "k"}),
    ):
        again = await ask(api, "POST", "/api/jobs", json=body, headers=headers)
        assert (again.status, again.headers[REPLAYED], again.body) == (200, "true", first.body)
    for other in ({**asked, "args": {"a": 2}}, {**asked, "attachment": {"file": "Yg=="}}, {"type": "echo"}):
        refused = await ask(api, "POST", "/api/jobs", json=other, headers={"Idempotency-Key": "k"})
        assert (refused.status, refused.body["code"]) == (422, "idempotency_key_reused")
    differs = await ask(api, "POST", "/api/jobs", json=swapped, headers={"Idempotency-Key": "other"})
    assert pointers(differs) == ["#/idempotency_key"]


async def test_a_key_is_its_callers_and_its_types(api: ClientSession, submit: Submit) -> None:
    headers = {"Idempotency-Key": "k"}
    seen = {(await submit(idempotency_key="k"))["id"], (await submit("steps", idempotency_key="k"))["id"]}
    for caller in (await key_for(api, "olga", "user"), await other_tenant(api)):
        made = await ask(api, "POST", "/api/jobs", json={"type": "echo"}, headers={**caller, **headers})
        assert made.status == 201
        seen.add(made.body["id"])
    assert len(seen) == 4


async def test_the_replayed_job_is_shown_as_it_is_now(api: ClientSession, submit: Submit) -> None:
    made = await submit(idempotency_key="k")
    assert (await ask(api, "POST", f"/api/jobs/{made['id']}/suspend")).status == 200
    again = await ask(api, "POST", "/api/jobs", json={"type": "echo", "idempotency_key": "k"})
    assert (again.status, again.body["status"], again.headers["ETag"]) == (200, "suspended", '"2"')


async def test_keys_have_a_length(api: ClientSession) -> None:
    for key, status in (("", 422), ("k" * 64, 201), ("k" * 65, 422), ("ü" * 64, 422), ("a\tb", 422)):
        answer = await ask(api, "POST", "/api/jobs", json={"type": "echo"}, headers={"Idempotency-Key": key})
        assert answer.status == status, key
    for field, status in (("", 422), ("f" * 64, 201), ("f" * 65, 422), (7, 422)):
        assert (
            await ask(api, "POST", "/api/jobs", json={"type": "echo", "idempotency_key": field})
        ).status == status


async def test_many_at_once_with_one_key_and_a_file_make_one_job_and_keep_one_file(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    body = {"type": "echo", "attachment": {"file": "YWJj"}, "idempotency_key": "k"}
    answers = await asyncio.gather(*(ask(api, "POST", "/api/jobs", json=body) for _ in range(30)))
    assert sorted(one.status for one in answers) == [200] * 29 + [201]
    assert len({one.body["id"] for one in answers}) == 1
    assert await pool.fetchval("SELECT count(*) FROM files WHERE expires_at IS NULL") == 1
    assert await pool.fetchval("SELECT count(*) FROM files WHERE expires_at > now()") == 0


async def test_a_batch_sent_again_with_its_key_makes_nothing_new(api: ClientSession) -> None:
    items = [
        {"type": "echo"},
        {"type": "echo"},
        {"type": "echo", "idempotency_key": "own"},
        {"type": "no such"},
    ]
    headers = {"Idempotency-Key": "k"}
    first = (await ask(api, "POST", "/api/jobs/batch", json=items, headers=headers)).body
    again = (await ask(api, "POST", "/api/jobs/batch", json=items, headers=headers)).body
    assert [one["status"] for one in first] == [201, 201, 201, 422]
    assert [one["status"] for one in again] == [200, 200, 200, 422]
    assert [one["job"]["id"] for one in first[:3]] == [one["job"]["id"] for one in again[:3]]
    assert len({one["job"]["id"] for one in first[:3]}) == 3
    assert [one["job"]["idempotency_key"] for one in first[:3]] == ["k", "k", "own"]
    single = await ask(api, "POST", "/api/jobs", json={"type": "echo"}, headers=headers)
    assert single.status == 201
