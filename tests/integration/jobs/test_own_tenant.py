"""GET and PATCH /api/tenant: read, merged, guarded, audited, and obeyed at once."""

from typing import Any

import asyncpg
import orjson
import pytest
from aiohttp import ClientSession

from asking import ask, key_for, other_tenant, pointers

NOTHING = {
    "queued": None,
    "running": None,
    "storage_bytes": None,
    "requests_per_minute": None,
    "waiters": None,
}


async def patch(api: ClientSession, body: Any, **headers: str) -> Any:
    return await ask(api, "PATCH", "/api/tenant", json=body, headers=headers)


async def test_a_new_tenant_has_no_caps_keeps_all_and_shows_it(api: ClientSession) -> None:
    told = await ask(api, "GET", "/api/tenant")
    assert told.headers["ETag"] == '"1"'
    assert told.body.pop("created_at").endswith("Z")
    assert told.body == {
        "code": "default",
        "name": "Default",
        "account_code": None,
        "database_name": None,
        "caps": NOTHING,
        "key_requests_per_minute": None,
        "retention": {"jobs": None, "messages": None, "attachments": None, "outputs": None},
        "link_lifetime_seconds": 604_800,
        "webhook_endpoints": [],
    }


async def test_a_patch_is_merged_and_null_goes_back_to_the_default(api: ClientSession) -> None:
    await patch(
        api,
        {
            "name": "Comune",
            "account_code": "C-1",
            "caps": {"queued": 5, "waiters": 3},
            "retention": {"jobs": 365},
            "link_lifetime_seconds": 60,
        },
    )
    told = await patch(api, {"caps": {"queued": None, "storage_bytes": 2**53}, "retention": {"outputs": 1}})
    assert (told.status, told.headers["ETag"]) == (200, '"3"')
    assert told.body["caps"] == NOTHING | {"waiters": 3, "storage_bytes": 2**53}
    assert told.body["retention"] == {"jobs": 365, "messages": None, "attachments": None, "outputs": 1}
    assert (told.body["name"], told.body["account_code"]) == ("Comune", "C-1")
    told = await patch(api, {"caps": None, "account_code": None, "link_lifetime_seconds": None})
    assert told.body["caps"] == NOTHING
    assert (told.body["account_code"], told.body["link_lifetime_seconds"]) == (None, 604_800)
    assert (await ask(api, "GET", "/api/tenant")).body == told.body


async def test_a_patch_that_changes_nothing_makes_no_new_version(api: ClientSession) -> None:
    await patch(api, {"caps": {"queued": 5}})
    assert (await patch(api, {"caps": {"queued": 5}})).headers["ETag"] == '"2"'
    assert (await patch(api, {})).headers["ETag"] == '"2"'


async def test_etags_guard_reads_and_writes(api: ClientSession) -> None:
    assert (await ask(api, "GET", "/api/tenant", headers={"If-None-Match": '"1"'})).status == 304
    assert (await patch(api, {"name": "A"}, **{"If-Match": '"1"'})).status == 200
    refused = await patch(api, {"name": "B"}, **{"If-Match": '"1"'})
    assert (refused.status, refused.body["code"]) == (412, "precondition_failed")
    assert (await ask(api, "GET", "/api/tenant")).body["name"] == "A"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (
            {"caps": {"queued": -1, "jobs": 1, "running": 1.5}, "retention": {"jobs": 0}, "code": "x", "name": None},
            ["#/caps/jobs", "#/caps/queued", "#/caps/running", "#/code", "#/name", "#/retention/jobs"],
        ),
        ({"caps": {"requests_per_minute": 0}}, ["#/caps/requests_per_minute"]),
        ({"caps": {"storage_bytes": "1"}}, ["#/caps/storage_bytes"]),
        ({"key_requests_per_minute": True}, ["#/key_requests_per_minute"]),
        ({"caps": []}, ["#/caps"]),
        ({"link_lifetime_seconds": 0, "account_code": " x"}, ["#/account_code", "#/link_lifetime_seconds"]),
        ([], ["#"]),
    ],
)  # fmt: skip
async def test_every_fault_is_told_at_once(api: ClientSession, body: Any, wrong: list[str]) -> None:
    assert pointers(await patch(api, body)) == wrong
    assert (await ask(api, "GET", "/api/tenant")).headers["ETag"] == '"1"'


@pytest.mark.parametrize("role", ["viewer", "user", "curator", None])
async def test_only_who_holds_the_permission_sees_or_changes_it(api: ClientSession, role: str | None) -> None:
    headers = await key_for(api, "anna", *([role] if role else []))
    for method in ("GET", "PATCH"):
        answer = await ask(
            api, method, "/api/tenant", headers=headers, json={} if method == "PATCH" else None
        )
        assert (answer.status, answer.body["code"]) == (403, "forbidden")
    granted = await key_for(api, "bob", grants=("tenant",))
    assert (await ask(api, "GET", "/api/tenant", headers=granted)).status == 200


async def test_one_tenant_never_sees_or_changes_another(api: ClientSession) -> None:
    other = await other_tenant(api)
    await ask(api, "PATCH", "/api/tenant", headers=other, json={"name": "Elsewhere", "caps": {"queued": 0}})
    mine = await ask(api, "GET", "/api/tenant")
    assert (mine.body["code"], mine.body["name"], mine.body["caps"]) == ("default", "Default", NOTHING)
    theirs = await ask(api, "GET", "/api/tenant", headers=other)
    assert (theirs.body["code"], theirs.body["name"]) == ("other", "Elsewhere")


async def test_a_change_is_in_the_audit_with_what_was_and_is(api: ClientSession, pool: asyncpg.Pool) -> None:
    await patch(api, {"caps": {"queued": 5}, "name": "Default"}, **{"X-Request-Id": "the-request"})
    (row,) = await pool.fetch("SELECT * FROM audit")
    assert (row["action"], row["object_type"], row["object_id"], row["request_id"]) == (
        "modify",
        "tenant",
        "default",
        "the-request",
    )
    assert orjson.loads(row["changes"]) == {"caps": [NOTHING, NOTHING | {"queued": 5}]}


async def test_me_tells_the_limits_and_what_is_used_of_them(api: ClientSession) -> None:
    await patch(api, {"caps": {"queued": 5, "requests_per_minute": 100}})
    for _ in range(2):
        assert (await ask(api, "POST", "/api/jobs", json={"type": "echo"})).status == 201
    await ask(api, "POST", "/api/attachments?name=x", data=b"12345")
    told = (await ask(api, "GET", "/api/me")).body
    assert told["limits"] == NOTHING | {"queued": 5, "requests_per_minute": 100}
    assert told["used"] == {
        "queued": 2,
        "running": 0,
        "storage_bytes": 5,
        "requests_per_minute": 4,
        "waiters": 0,
    }
