"""Keys: made, listed, rotated, revoked; by whom, and with how much."""

import asyncio
import json

import asyncpg
import pytest

from .conftest import Caller

EVERY_ADMIN_CALL = [
    ("POST", "/api/keys"),
    ("GET", "/api/keys"),
    ("DELETE", "/api/keys/0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f"),
    ("POST", "/api/keys/0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f/rotate"),
    ("POST", "/api/tenants"),
    ("GET", "/api/tenants"),
    ("DELETE", "/api/tenants/default"),
]


async def trail(pool: asyncpg.Pool) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await pool.fetch("SELECT * FROM audit ORDER BY id")
    return rows


async def test_a_key_is_shown_whole_with_its_secret_this_once(admin: Caller, pool: asyncpg.Pool) -> None:
    made = await admin.ask(
        "POST",
        "/api/keys",
        {
            "name": "nightly",
            "principal": "anna@example.org",
            "roles": ["user", "viewer", "user"],
            "grants": ["audit"],
            "expires_at": "2099-01-01T02:00:00.1239+02:00",
        },
    )
    assert made.status == 201
    secret, key_id = made.body.pop("secret"), made.body["id"]
    assert secret.startswith(f"lv_{key_id.replace('-', '')}_")
    assert made.body.pop("created_at").endswith("Z")
    assert made.body == {
        "id": key_id,
        "name": "nightly",
        "principal": "anna@example.org",
        "roles": ["user", "viewer"],
        "grants": ["audit"],
        "expires_at": "2099-01-01T00:00:00.124Z",
        "last_used_at": None,
    }
    listed = (await admin.ask("GET", "/api/keys")).body
    assert [one["name"] for one in listed["keys"]] == ["nightly", "LAVORI_ADMIN_KEY"]
    assert "next" not in listed
    kept = json.dumps(
        [
            [str(value) for value in row]
            for row in [*await pool.fetch("SELECT * FROM keys"), *await trail(pool)]
        ]
    )
    assert secret not in kept
    assert secret not in json.dumps(listed)


async def test_every_fault_of_a_key_is_told_at_once(admin: Caller) -> None:
    answer = await admin.ask(
        "POST",
        "/api/keys",
        {
            "name": " ",
            "roles": ["king"],
            "grants": ["jobs:all"],
            "expires_at": "2099-01-01T00:00:00",
            "tenant": "x",
        },
    )
    assert (answer.status, answer.body["code"]) == (422, "invalid")
    assert {fault["pointer"] for fault in answer.body["errors"]} == {
        "#/name",
        "#/principal",
        "#/roles/0",
        "#/grants/0",
        "#/expires_at",
        "#/tenant",
    }


@pytest.mark.parametrize(
    "wrong",
    [{"principal": "*"}, {"principal": ""}, {"principal": "x" * 201}, {"name": "two\nlines"}, {"name": None},
     {"expires_at": "9999-12-31T23:59:59.9999-12:00"}, {"expires_at": "0001-01-01T00:00:00+12:00"}, {"expires_at": 1},
     {"roles": "user"}],
)  # fmt: skip
async def test_a_value_that_cannot_be_kept_is_a_422(admin: Caller, wrong: dict[str, object]) -> None:
    answer = await admin.ask("POST", "/api/keys", {"name": "n", "principal": "p", "roles": [], **wrong})
    assert answer.status == 422
    assert answer.body["errors"][0]["pointer"] == f"#/{next(iter(wrong))}"


@pytest.mark.parametrize("grace", [-1, 2_592_001, 1.5, "60", True, None])
async def test_a_grace_is_whole_seconds_up_to_thirty_days(admin: Caller, grace: object) -> None:
    key = await admin.make_key("user")
    answer = await admin.ask("POST", f"/api/keys/{key.id}/rotate", {"grace_seconds": grace})
    assert answer.status == 422
    assert await key.caller.is_known()


@pytest.mark.parametrize(("method", "path"), EVERY_ADMIN_CALL)
@pytest.mark.parametrize("role", ["viewer", "user", "curator", None])
async def test_admin_calls_are_forbidden_to_others(
    admin: Caller, method: str, path: str, role: str | None
) -> None:
    key = await admin.make_key(*([role] if role else []))
    answer = await key.caller.ask(method, path, {} if method == "POST" else None)
    assert (answer.status, answer.body["code"]) == (403, "forbidden")
    assert (await admin.having(None).ask(method, path)).status == 401


async def test_the_grant_keys_is_enough_for_keys_but_not_for_tenants(admin: Caller) -> None:
    keeper = (await admin.make_key("user", grants=("keys",))).caller
    assert (await keeper.ask("GET", "/api/keys")).status == 200
    assert (await keeper.ask("GET", "/api/tenants")).status == 403


async def test_nobody_gives_a_key_more_than_they_have(admin: Caller) -> None:
    plain_admin = (await admin.make_key("admin")).caller
    wanted = {"name": "n", "principal": "anna", "roles": ["admin"], "grants": ["tenants"]}
    refused = await plain_admin.ask("POST", "/api/keys", wanted)
    assert (refused.status, refused.body["code"]) == (403, "forbidden")
    assert "tenants" in refused.body["detail"]
    assert (await admin.ask("POST", "/api/keys", wanted)).status == 201

    keeper = (await admin.make_key("user", principal="keeper", grants=("keys",))).caller
    for roles in (["admin"], ["curator"], ["viewer"]):
        assert (await keeper.ask("POST", "/api/keys", wanted | {"roles": roles, "grants": []})).status == 403
    own = {"name": "n", "principal": "keeper", "roles": ["user"], "grants": ["keys"]}
    assert (await keeper.ask("POST", "/api/keys", own)).status == 201


async def test_nobody_takes_over_another_by_key_or_rotation(admin: Caller) -> None:
    keeper = (await admin.make_key("user", principal="keeper", grants=("keys",))).caller
    as_anna = {"name": "n", "principal": "anna", "roles": ["user"]}
    assert (await keeper.ask("POST", "/api/keys", as_anna)).status == 403
    admins_key = (await admin.ask("GET", "/api/me")).body["key_id"]
    assert (await keeper.ask("POST", f"/api/keys/{admins_key}/rotate")).status == 403
    plain_admin = (await admin.make_key("admin")).caller
    assert (await plain_admin.ask("POST", f"/api/keys/{admins_key}/rotate")).status == 403
    assert await admin.is_known()


async def test_a_key_that_is_gone_is_not_found(admin: Caller) -> None:
    key = await admin.make_key("user")
    assert (await admin.ask("DELETE", f"/api/keys/{key.id}")).status == 204
    for path in (
        f"/api/keys/{key.id}",
        "/api/keys/0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f",
        "/api/keys/7",
        "/api/keys/%00",
    ):
        assert (await admin.ask("DELETE", path)).status == 404
        assert (await admin.ask("POST", f"{path}/rotate")).status == 404
    assert key.id not in {one["id"] for one in (await admin.ask("GET", "/api/keys")).body["keys"]}


async def test_pages_hold_every_key_once_whoever_comes_in_between(admin: Caller) -> None:
    made = [(await admin.make_key("user")).id for _ in range(5)]
    seen, path = [], "/api/keys?limit=2"
    while path:
        page = await admin.ask("GET", path)
        assert len(page.body["keys"]) <= 2
        seen += [one["id"] for one in page.body["keys"]]
        path = page.body.get("next")
        assert page.headers.get("Link") == (f'<{path}>; rel="next"' if path else None)
        await admin.make_key("user")
    assert seen[:-1] == made[::-1]
    assert len(set(seen)) == 6


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "cursor=x",
        "cursor=%C3%A8",
        "cursor=bm9uZQ==",
        "page=2",
        "limit=1&limit=2",
    ],
)
async def test_a_query_that_does_not_parse_is_a_400(admin: Caller, query: str) -> None:
    for path in ("/api/keys", "/api/tenants"):
        if "bm9uZQ" not in query or path == "/api/keys":  # it reads "none", which can be a tenant's code
            answer = await admin.ask("GET", f"{path}?{query}")
            assert (answer.status, answer.body["code"]) == (400, "malformed")


async def test_each_mutating_call_leaves_one_row_in_the_audit(admin: Caller, pool: asyncpg.Pool) -> None:
    made = await admin.ask(
        "POST", "/api/keys", {"name": "n", "principal": "anna", "roles": ["user"]}, X_Request_Id="the-request"
    )
    key_id = made.body["id"]
    await admin.ask("POST", f"/api/keys/{key_id}/rotate", {"grace_seconds": 5})
    await admin.ask("DELETE", f"/api/keys/{key_id}")
    await admin.ask("DELETE", f"/api/keys/{key_id}")  # not found: nothing was done
    rows = await trail(pool)
    assert [(row["action"], row["object_type"], row["object_id"]) for row in rows] == [
        (action, "key", key_id) for action in ("create", "rotate", "revoke")
    ]
    first = rows[0]
    assert (first["principal"], first["address"], first["request_id"]) == (
        "admin",
        "127.0.0.1",
        "the-request",
    )
    assert str(first["key_id"]) == (await admin.ask("GET", "/api/me")).body["key_id"]
    assert json.loads(first["changes"]) == {
        "name": [None, "n"],
        "principal": [None, "anna"],
        "roles": [None, ["user"]],
        "grants": [None, []],
        "expires_at": [None, None],
    }


async def test_the_last_key_that_may_manage_keys_is_rotated_but_not_revoked(admin: Caller) -> None:
    made = await admin.ask("POST", "/api/tenants", {"code": "other", "name": "Other"})
    first = admin.having(made.body["admin_key"]["secret"])
    own = made.body["admin_key"]["id"]
    await first.make_key("curator")
    soon = await first.make_key("admin", expires_at="1999-01-01T00:00:00Z")
    refused = await first.ask("DELETE", f"/api/keys/{own}")
    assert (refused.status, refused.body["code"]) == (409, "conflict")
    assert await first.is_known()
    assert (await first.ask("DELETE", f"/api/keys/{soon.id}")).status == 204
    second = await first.make_key(grants=("keys",))
    answers = await asyncio.gather(
        first.ask("DELETE", f"/api/keys/{own}"), second.caller.ask("DELETE", f"/api/keys/{second.id}")
    )
    assert sorted(one.status for one in answers) == [204, 409], "of two at once, one stays"
