"""Definitions over HTTP: made, read, listed, changed and removed, each by who may."""

import asyncio
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession

import odd_jobs
import picky_jobs
import secret_jobs
from asking import Answer, ask, key_for, other_tenant, pointers
from service.jobs.jobtype import JobTypes

PATH = "/api/job-definitions"


@pytest.fixture
def job_types() -> JobTypes:
    return JobTypes([odd_jobs.echo, odd_jobs.steps, secret_jobs.careless, picky_jobs.picky])


async def make(api: ClientSession, code: str = "nightly", **body: Any) -> Answer:
    made = await ask(api, "POST", PATH, json={"code": code, "type": "echo", **body})
    assert made.status == 201, made
    return made


async def test_a_definition_is_made_whole_and_read_as_it_was_made(api: ClientSession) -> None:
    given = {
        "code": "nightly", "type": "steps", "name": "Each night", "description": "What it does",
        "args": {"steps": 2}, "priority": "high", "worker_tag": "gpu", "publish_link_access_scope": "organization",
        "timeout_seconds": 60, "max_attempts": 3, "labels": {"team": "payments"}, "shared_with": ["anna", "*"],
        "options": {"send_failure_email": True, "email_list": ["office@example.org"]},
    }  # fmt: skip
    made = await ask(api, "POST", PATH, json=given | {"attachment": {"file": "YWJj", "name": "a.txt"}})
    assert made.status == 201
    assert made.headers["Location"] == f"{PATH}/nightly"
    assert {name: made.body[name] for name in given} == given
    assert made.body["attachment"]["size"] == 3
    assert (made.body["schedule"], made.body["version"], made.body["created_by"]) == (None, 1, "admin")
    read = await ask(api, "GET", f"{PATH}/nightly")
    assert (read.status, read.body, read.headers["ETag"]) == (200, made.body, '"1"')
    known = await ask(api, "GET", f"{PATH}/nightly", headers={"If-None-Match": '"1"'})
    assert (known.status, known.text) == (304, "")
    assert (await ask(api, "GET", f"/it{PATH}/nightly")).body == made.body


async def test_what_is_not_said_is_the_types_to_say(api: ClientSession) -> None:
    made = (await make(api)).body
    assert (made["name"], made["priority"], made["max_attempts"], made["args"]) == (
        "nightly",
        "default",
        1,
        {},
    )


async def test_every_fault_is_told_at_once(api: ClientSession) -> None:
    wrong = {
        "code": "a b", "type": "steps", "name": "", "args": {"steps": "many"}, "attachment": {"file": "!"},
        "priority": "urgent", "schedule": {"cron": "61 * * * *", "timezone": "Mars", "next_run_at": None}, "odd": 1,
    }  # fmt: skip
    assert pointers(await ask(api, "POST", PATH, json=wrong)) == [
        "#/args/steps", "#/attachment/file", "#/code", "#/name", "#/odd", "#/priority", "#/schedule/cron",
        "#/schedule/next_run_at", "#/schedule/timezone",
    ]  # fmt: skip
    unknown = await ask(api, "POST", PATH, json={"code": "a", "type": "no such"})
    assert (unknown.status, unknown.body["code"]) == (422, "unknown_job_type")
    assert pointers(await ask(api, "POST", PATH, json=[])) == ["#"]
    assert (await ask(api, "GET", PATH)).body == {"job_definitions": []}


async def test_required_args_may_be_left_open_but_not_once_a_schedule_is_on(api: ClientSession) -> None:
    body = {"code": "open", "type": "picky"}
    assert (await ask(api, "POST", PATH, json=body)).status == 201
    on = await ask(api, "PATCH", f"{PATH}/open", json={"schedule": {"cron": "* * * * *"}})
    assert pointers(on) == ["#/args/service_id", "#/attachment"]
    off = await ask(api, "PATCH", f"{PATH}/open", json={"schedule": {"cron": "* * * * *", "enabled": False}})
    assert off.status == 200


async def test_a_code_that_is_taken_is_a_conflict_and_leaves_no_file(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    await make(api)
    again = await ask(
        api, "POST", PATH, json={"code": "nightly", "type": "echo", "attachment": {"file": "YWJj"}}
    )
    assert (again.status, again.body["code"]) == (409, "conflict")
    assert (
        await pool.fetchval("SELECT count(*) FROM files WHERE expires_at IS NULL OR expires_at > now()") == 0
    )


async def test_a_merge_patch_merges_and_null_puts_back(api: ClientSession) -> None:
    await make(
        api, args={"a": 1, "deep": {"x": 1, "y": 2}}, labels={"team": "a"}, priority="high", description="d"
    )
    patch = {
        "args": {"a": None, "deep": {"y": 3}},
        "labels": {"env": "prod"},
        "priority": None,
        "name": "New",
    }
    changed = await ask(api, "PATCH", f"{PATH}/nightly", json=patch)
    assert changed.status == 200
    told = changed.body
    assert told["args"] == {"deep": {"x": 1, "y": 3}}
    assert told["labels"] == {"team": "a", "env": "prod"}
    assert (told["priority"], told["name"], told["description"]) == ("default", "New", "d")
    assert (told["version"], changed.headers["ETag"]) == (2, '"2"')
    (row,) = (await ask(api, "GET", "/api/audit?action=modify")).body["audit"]
    assert row["changes"] == {
        "args": None, "labels": [{"team": "a"}, {"team": "a", "env": "prod"}], "priority": ["high", "default"],
        "name": ["nightly", "New"],
    }  # fmt: skip
    for body, pointer in (
        ({"code": "other"}, "#/code"),
        ({"version": 3}, "#/version"),
        ({"type": None}, "#/type"),
    ):
        assert pointers(await ask(api, "PATCH", f"{PATH}/nightly", json=body)) == [pointer]


async def test_put_replaces_all_of_it(api: ClientSession) -> None:
    await make(
        api, args={"a": 1}, description="d", attachment={"file": "YWJj"}, schedule={"cron": "* * * * *"}
    )
    put = await ask(api, "PUT", f"{PATH}/nightly", json={"type": "steps", "name": "New"})
    assert put.status == 200
    assert (put.body["type"], put.body["name"], put.body["args"]) == ("steps", "New", {})
    assert (put.body["description"], put.body["attachment"], put.body["schedule"]) == (None, None, None)
    assert pointers(await ask(api, "PUT", f"{PATH}/nightly", json={"name": "x"})) == ["#/type"]


async def test_if_match_guards_every_write(api: ClientSession) -> None:
    await make(api)
    stale = {"If-Match": '"7"'}
    for method, body in (("PATCH", {"name": "x"}), ("PUT", {"type": "echo"}), ("DELETE", None)):
        refused = await ask(api, method, f"{PATH}/nightly", json=body, headers=stale)
        assert (refused.status, refused.body["code"]) == (412, "precondition_failed"), method
    for method, body, version in (
        ("PATCH", {"name": "x"}, 1),
        ("PUT", {"type": "echo"}, 2),
        ("DELETE", None, 3),
    ):
        headers = {"If-Match": f'"{version}"'}
        assert (await ask(api, method, f"{PATH}/nightly", json=body, headers=headers)).status in (200, 204)
    assert (await ask(api, "GET", f"{PATH}/nightly")).status == 404


async def test_a_code_with_a_nul_is_none_that_there_is(api: ClientSession) -> None:
    for method, more in (
        ("GET", ""),
        ("PATCH", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("POST", "/execute"),
        ("GET", "/jobs"),
    ):
        body = {"type": "echo"} if method in ("PATCH", "PUT") else None
        assert (await ask(api, method, f"{PATH}/%00{more}", json=body)).status == 404, (method, more)


async def test_changes_at_the_same_time_are_all_kept(api: ClientSession) -> None:
    await make(api)
    changes = [ask(api, "PATCH", f"{PATH}/nightly", json={"labels": {f"l{n}": "x"}}) for n in range(20)]
    assert {answer.status for answer in await asyncio.gather(*changes)} == {200}
    assert len((await ask(api, "GET", f"{PATH}/nightly")).body["labels"]) == 20


async def test_lists_come_in_pages_by_code_with_filters(api: ClientSession) -> None:
    for number in range(5):
        await make(api, f"d{number}", type="echo" if number % 2 else "steps")
    first = await ask(api, "GET", f"{PATH}?limit=2&count=true")
    assert ([one["code"] for one in first.body["job_definitions"]], first.body["count"]) == (["d0", "d1"], 5)
    second = await ask(api, "GET", first.body["next"])
    assert [one["code"] for one in second.body["job_definitions"]] == ["d2", "d3"]
    last = await ask(api, "GET", second.body["next"])
    assert ([one["code"] for one in last.body["job_definitions"]], "next" in last.body) == (["d4"], False)
    filtered = await ask(api, "GET", f"{PATH}?type=steps&created_by=admin,nobody")
    assert [one["code"] for one in filtered.body["job_definitions"]] == ["d0", "d2", "d4"]
    for query in ("limit=0", "cursor=%20", "odd=1", "count=maybe"):
        assert (await ask(api, "GET", f"{PATH}?{query}")).status == 400, query


async def test_who_may_see_and_who_may_change(api: ClientSession, pool: asyncpg.Pool) -> None:
    owner = await key_for(api, "olga", "user")
    keys = {
        "shared": await key_for(api, "sara", "user"),
        "stranger": await key_for(api, "ugo", "user"),
        "viewer": await key_for(api, "vera", "viewer"),
        "curator": await key_for(api, "carl", "curator"),
        "writer": await key_for(api, "wim", "user", grants=("definitions:write_all",)),
        "other": await other_tenant(api),
    }
    body = {"code": "hers", "type": "echo", "shared_with": ["sara"]}
    assert (await ask(api, "POST", PATH, json=body, headers=owner)).status == 201
    assert (await ask(api, "POST", PATH, json=body | {"code": "v"}, headers=keys["viewer"])).status == 403
    for who, reads, writes in (
        ("shared", 200, 403), ("stranger", 404, 404), ("viewer", 200, 403), ("curator", 200, 200), ("writer", 200, 200),
        ("other", 404, 404),
    ):  # fmt: skip
        headers = keys[who]
        assert (await ask(api, "GET", f"{PATH}/hers", headers=headers)).status == reads, who
        listed = await ask(api, "GET", PATH, headers=headers)
        assert [one["code"] for one in listed.body["job_definitions"]] == (
            ["hers"] if reads == 200 else []
        ), who
        for method, change in (("PATCH", {"name": who}), ("PUT", {"type": "echo", "shared_with": ["sara"]})):
            answer = await ask(api, method, f"{PATH}/hers", json=change, headers=headers)
            assert answer.status == writes, (who, method)
        if writes != 200:
            assert (await ask(api, "DELETE", f"{PATH}/hers", headers=headers)).status == writes, who
    assert (await ask(api, "DELETE", f"{PATH}/hers", headers=owner)).status == 204
    written = await pool.fetch(
        "SELECT principal, action FROM audit WHERE object_type = 'definition' ORDER BY at, id"
    )
    assert [tuple(row) for row in written] == [
        ("olga", "create"), ("carl", "modify"), ("carl", "modify"), ("wim", "modify"), ("wim", "modify"),
        ("olga", "delete"),
    ]  # fmt: skip


async def test_secret_args_are_sealed_shown_as_stars_and_kept_by_a_patch(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    made = await ask(
        api,
        "POST",
        PATH,
        json={"code": "s", "type": "careless", "args": {"password": "hunter22", "note": "a"}},
    )
    assert made.body["args"] == {"password": "***", "note": "a"}
    kept = await ask(api, "PATCH", f"{PATH}/s", json={"args": {"note": "b", "password": "***"}})
    assert kept.body["args"] == {"password": "***", "note": "b"}
    dump = str([tuple(row) for row in await pool.fetch("SELECT * FROM job_definitions")])
    assert "hunter22" not in dump
    assert pointers(
        await ask(api, "POST", PATH, json={"code": "t", "type": "careless", "args": {"password": "***"}})
    ) == ["#/args/password"]
