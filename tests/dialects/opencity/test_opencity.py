"""OpenCity: what the vendor's page prints, and version 1."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession, FormData

from asking import ask, key_for, other_tenant, pointers, put_into
from running import until
from service.dialects.opencity import wire
from service.jobs.states import Status

HERE = Path(__file__).parent
VERSION_1 = {"X-Accept-Version": "1"}
SERVICE = "5ca1ab1e-0000-4000-8000-000000000001"
Submit = Callable[..., Awaitable[dict[str, Any]]]


def printed(name: str) -> Any:
    """An exchange as the vendor's page prints it."""
    return json.loads((HERE / f"{name}.json").read_text())


def shape(value: Any) -> Any:
    """Names and nesting, without the values."""
    return {name: shape(inner) for name, inner in value.items()} if isinstance(value, dict) else None


FILES = printed("create")["request"]["body"]["attachment"]["file"].split(" OR ")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("headers", [{}, VERSION_1])
async def test_the_printed_creation_makes_a_job(
    api: ClientSession, file: str, headers: dict[str, str]
) -> None:
    exchange = printed("create")["request"]
    body = {**exchange["body"], "type": "import_dovuti", "args": {"service_id": SERVICE}}
    body["attachment"] = {**body["attachment"], "file": file}
    made = await ask(api, exchange["method"], exchange["path"], json=body, headers=headers)
    assert made.status == printed("create")["response"]["status"]
    assert made.headers["Location"] == f"/lang/api/jobs/{made.body['id']}"


async def test_the_printed_reading_has_its_names_and_with_version_1_no_others(
    api: ClientSession, worker: object
) -> None:
    exchange, args = printed("create")["request"], printed("create")["request"]["body"]["args"]
    body = {**exchange["body"], "type": "echo", "args": args}
    body["attachment"] = {**body["attachment"], "file": FILES[0]}
    made = await ask(api, exchange["method"], exchange["path"], json=body)
    assert made.status == 201, made
    await until(api, made.body["id"], "finished")
    wanted = printed("read")["response"]["body"]
    path = printed("read")["request"]["path"].format(id=made.body["id"])
    plain = await ask(api, "GET", path)
    assert plain.status == 200
    assert wanted.keys() <= plain.body.keys()
    for how in ({"headers": VERSION_1}, {"params": {"version": "1"}}):
        read = await ask(api, "GET", path, **how)
        assert read.status == printed("read")["response"]["status"]
        assert shape(read.body) == shape(wanted)
        assert read.body["args"] == args
        assert read.body["attachment"] == wanted["attachment"]
        assert read.body == {name: plain.body[name] for name in wanted} | {"attachment": wanted["attachment"]}
        assert read.headers["ETag"] == plain.headers["ETag"]
        cached = await ask(
            api,
            "GET",
            path,
            **how | {"headers": {**how.get("headers", {}), "If-None-Match": read.headers["ETag"]}},
        )
        assert cached.status == 304


@pytest.mark.parametrize("status", list(Status))
async def test_each_status_has_its_word_in_reading_and_in_filtering(
    api: ClientSession, submit: Submit, pool: asyncpg.Pool, status: Status
) -> None:
    made = {one: (await submit())["id"] for one in Status}
    for one, job_id in made.items():
        await put_into(pool, job_id, one)
    wanted = made[status]
    read = await ask(api, "GET", f"/api/jobs/{wanted}", headers=VERSION_1)
    assert read.body["status"] == wire.WORDS[status]
    assert read.body["attachment"] is None
    listed = await ask(api, "GET", f"/api/jobs?status={wire.WORDS[status]}", headers=VERSION_1)
    meant = [one for one in Status if wire.WORDS[one] == wire.WORDS[status]]
    assert len(listed.body["jobs"]) == len(meant)
    assert wanted in [one["id"] for one in listed.body["jobs"]]
    assert {one["status"] for one in listed.body["jobs"]} == {wire.WORDS[status]}
    plain = await ask(api, "GET", f"/api/jobs/{wanted}")
    assert plain.body["status"] == status


def test_the_words_table_is_total() -> None:
    assert wire.WORDS.keys() == set(Status)
    assert set(wire.STATUSES) == {"pending", "cancelled", "running", "finished", "failed"}
    assert wire.meant(["pending"]) == ["pending", "suspended"]


async def test_pages_of_a_version_1_list_lead_on_without_gap(api: ClientSession, submit: Submit) -> None:
    made = [(await submit())["id"] for _ in range(7)]
    path, seen = "/lang/api/jobs?version=1&status=pending&limit=3&unknown=x", []
    while path:
        page = await ask(api, "GET", path)
        assert page.status == 200, page
        assert all(shape(one) == shape(wire.job({**one, "attachment": None})) for one in page.body["jobs"])
        seen += [one["id"] for one in page.body["jobs"]]
        path = page.body.get("next")
        assert path is None or (path.startswith("/lang/api/jobs?") and "version=1" in path)
    assert seen == made[::-1]


@pytest.mark.parametrize("word", ["suspended", "", "Pending", "pending,suspended"])
async def test_a_word_that_version_1_does_not_have_is_refused(api: ClientSession, word: str) -> None:
    refused = await ask(api, "GET", "/api/jobs", params={"status": word}, headers=VERSION_1)
    assert (refused.status, refused.body["code"]) == (400, "malformed")


async def test_version_1_ignores_what_nobody_knows_and_the_native_api_refuses_it(api: ClientSession) -> None:
    body = {"type": "echo", "args": {}, "odd": 1}
    assert (await ask(api, "POST", "/api/jobs", json=body)).status == 422
    assert (await ask(api, "POST", "/api/jobs?odd=1", json={"type": "echo"})).status == 400
    made = await ask(api, "POST", "/api/jobs?version=1&odd=1", json=body)
    assert made.status == 201, made
    assert made.body.keys() == printed("read")["response"]["body"].keys()
    path = f"/api/jobs/{made.body['id']}"
    changed = await ask(api, "PATCH", path, json={"args": {"a": 1}, "odd": 1}, headers=VERSION_1)
    assert (changed.status, changed.body["args"]) == (200, {"a": 1})
    put = await ask(api, "PUT", path, json={"type": "echo", "args": {"b": 2}, "odd": 1}, headers=VERSION_1)
    assert (put.status, put.body["args"]) == (200, {"b": 2})
    assert put.body.keys() == made.body.keys()
    assert (await ask(api, "DELETE", f"{path}?version=1")).status == 204
    assert (await ask(api, "GET", path, headers=VERSION_1)).status == 404


async def test_the_job_of_a_form_is_read_as_any_body_is(api: ClientSession) -> None:
    def form(job: Any, file: bytes | None = b"a,b\n") -> FormData:
        made = FormData()
        made.add_field("job", json.dumps(job), content_type="application/json")
        if file is not None:
            made.add_field("attachment", file, filename="a.csv", content_type="text/csv")
        return made

    body = {"type": "echo", "args": {"a": 1}, "odd": 1}
    assert pointers(await ask(api, "POST", "/api/jobs", data=form(body))) == ["#/odd"]
    made = await ask(api, "POST", "/api/jobs?odd=1", data=form(body), headers=VERSION_1)
    assert made.status == 201, made
    assert (made.body["args"], made.body["attachment"]["name"]) == ({"a": 1}, "a.csv")
    assert made.body.keys() == printed("read")["response"]["body"].keys()
    inside = {"type": "echo", "attachment": {"file": FILES[0], "name": "b.csv", "odd": 1}}
    made = await ask(api, "POST", "/api/jobs", data=form(inside, None), headers=VERSION_1)
    assert made.status == 201, made
    assert made.body["attachment"]["name"] == "b.csv"
    for wrong, where in (([], "#"), ({"type": "echo", "args": 1}, "#/args")):
        refused = await ask(api, "POST", "/api/jobs", data=form(wrong), headers=VERSION_1)
        assert pointers(refused) == [where]
    viewer = {**await key_for(api, "vera", "viewer"), **VERSION_1}
    assert (await ask(api, "POST", "/api/jobs", data=form(body), headers=viewer)).status == 403


async def test_a_form_and_an_idempotency_key_work_in_version_1(api: ClientSession) -> None:
    form = FormData()
    form.add_field("job", json.dumps({"type": "echo", "args": {}}), content_type="application/json")
    form.add_field("attachment", b"a,b\n", filename="a.csv", content_type="text/csv")
    made = await ask(api, "POST", "/api/jobs", data=form, headers=VERSION_1)
    assert (made.status, made.body["attachment"]) == (201, {"name": "a.csv", "mime_type": "text/csv"})
    headers = {**VERSION_1, "Idempotency-Key": "once"}
    first = await ask(api, "POST", "/api/jobs", json={"type": "echo"}, headers=headers)
    again = await ask(api, "POST", "/api/jobs", json={"type": "echo"}, headers=headers)
    assert (first.status, again.status) == (201, 200)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.body == first.body


HOSTILE = [
    {"type": "echo", "args": 1},
    {"type": 1},
    {"attachment": "x", "type": "echo"},
    {"attachment": {"file": "%%%"}, "type": "echo"},
    {"type": "nothing"},
    [],
    "text",
]


@pytest.mark.parametrize("body", HOSTILE)
async def test_bad_bodies_are_refused_as_natively(api: ClientSession, body: Any) -> None:
    native = await ask(api, "POST", "/api/jobs", json=body)
    ours = await ask(api, "POST", "/api/jobs", json=body, headers=VERSION_1)
    assert (ours.status, ours.body["code"]) == (native.status, native.body["code"])
    assert ours.status == 422
    assert ours.body.get("errors") == native.body.get("errors")


async def test_others_see_and_change_in_version_1_what_they_may_natively(
    api: ClientSession, submit: Submit
) -> None:
    made = await submit()
    path = f"/api/jobs/{made['id']}"
    for who in (await key_for(api, "bob", "user"), await other_tenant(api)):
        headers = {**who, **VERSION_1}
        for method, how in (
            ("GET", {}),
            ("PATCH", {"json": {"description": "mine"}}),
            ("PUT", {"json": {"type": "echo"}}),
            ("DELETE", {}),
        ):
            assert (await ask(api, method, path, headers=headers, **how)).status == 404
        assert (await ask(api, "GET", "/api/jobs", headers=headers)).body["jobs"] == []
    viewer = {**await key_for(api, "vera", "viewer"), **VERSION_1}
    assert (await ask(api, "GET", path, headers=viewer)).status == 200
    assert (await ask(api, "POST", "/api/jobs", json={"type": "echo"}, headers=viewer)).status == 403
    assert (await ask(api, "DELETE", path, headers=viewer)).status == 403
    none = {**VERSION_1, "Authorization": "Bearer nobody"}
    assert (await ask(api, "GET", path, headers=none)).status == 401


async def test_another_version_is_the_native_api(api: ClientSession, submit: Submit) -> None:
    made = await submit()
    read = await ask(api, "GET", f"/api/jobs/{made['id']}", headers={"X-Accept-Version": "2"})
    assert "number" in read.body
