"""Tenants: made with their admin, listed, deleted, and never crossed."""

import asyncpg
import pytest

from .conftest import Answer, Caller


async def make_tenant(admin: Caller, code: str) -> Caller:
    made = await admin.ask("POST", "/api/tenants", {"code": code, "name": code.title()})
    assert made.status == 201, made.body
    return admin.having(made.body["admin_key"]["secret"])


def told(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.body["code"]


async def test_a_tenant_comes_with_an_admin_key(admin: Caller) -> None:
    made = await admin.ask("POST", "/api/tenants", {"code": "acme", "name": "Acme & Co."})
    assert made.status == 201
    assert set(made.body) == {"code", "name", "created_at", "admin_key"}
    key = made.body["admin_key"]
    assert (key["principal"], key["roles"], key["grants"]) == ("admin", ["admin"], [])
    me = (await admin.having(key["secret"]).ask("GET", "/api/me")).body
    assert (me["tenant"], me["principal"], me["key_id"]) == ("acme", "admin", key["id"])


async def test_a_taken_code_is_a_conflict(admin: Caller) -> None:
    await make_tenant(admin, "acme")
    assert told(await admin.ask("POST", "/api/tenants", {"code": "acme", "name": "Again"})) == (
        409,
        "conflict",
    )
    assert told(await admin.ask("POST", "/api/tenants", {"code": "default", "name": "Again"})) == (
        409,
        "conflict",
    )


@pytest.mark.parametrize("code", ["", "-acme", "ac me", "x" * 65, "acmè", "acme\n", "a/b", 5, None])
async def test_a_code_is_short_and_plain(admin: Caller, code: object) -> None:
    answer = await admin.ask("POST", "/api/tenants", {"code": code, "name": "Acme"})
    assert told(answer) == (422, "invalid")
    assert [fault["pointer"] for fault in answer.body["errors"]] == ["#/code"]


async def test_another_tenants_key_is_not_found_and_not_listed(admin: Caller) -> None:
    acme, other = await make_tenant(admin, "acme"), await make_tenant(admin, "other")
    key = await acme.make_key("user")
    unknown = await other.ask("DELETE", "/api/keys/0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f")
    for stranger in (other, admin):
        refused = await stranger.ask("DELETE", f"/api/keys/{key.id}")
        assert told(refused) == (404, "not_found")
        assert refused.body["detail"] == unknown.body["detail"]
        assert told(await stranger.ask("POST", f"/api/keys/{key.id}/rotate")) == (404, "not_found")
        assert key.id not in {one["id"] for one in (await stranger.ask("GET", "/api/keys")).body["keys"]}
    assert await key.caller.is_known()
    assert told(await acme.ask("GET", "/api/me", X_Customer_Code="other")) == (403, "forbidden")


async def test_a_new_tenants_admin_makes_no_tenants(admin: Caller) -> None:
    acme = await make_tenant(admin, "acme")
    assert told(await acme.ask("POST", "/api/tenants", {"code": "mine", "name": "Mine"})) == (
        403,
        "forbidden",
    )
    assert told(await acme.ask("GET", "/api/tenants")) == (403, "forbidden")
    wanted = {"name": "n", "principal": "admin", "roles": ["admin"], "grants": ["tenants"]}
    assert told(await acme.ask("POST", "/api/keys", wanted)) == (403, "forbidden")


async def test_tenants_are_listed_by_code_in_pages(admin: Caller) -> None:
    for code in ("b", "a", "c"):
        await make_tenant(admin, code)
    first = (await admin.ask("GET", "/api/tenants?limit=3")).body
    assert [one["code"] for one in first["tenants"]] == ["a", "b", "c"]
    assert set(first["tenants"][0]) == {"code", "name", "created_at"}
    second = (await admin.ask("GET", first["next"])).body
    assert [one["code"] for one in second["tenants"]] == ["default"]
    assert "next" not in second


async def test_a_deleted_tenant_takes_its_keys_and_dues_along(admin: Caller, pool: asyncpg.Pool) -> None:
    acme = await make_tenant(admin, "acme")
    assert await acme.is_known()
    await pool.execute(
        """INSERT INTO dovuti SELECT id, gen_random_uuid(), '1', '1', 1, 'r', now(), now(), 'F', 'x', NULL, NULL,
           gen_random_uuid() FROM tenants WHERE code = 'acme'"""
    )
    assert (await admin.ask("DELETE", "/api/tenants/acme")).status == 204
    assert not await acme.is_known()
    assert await pool.fetchval("SELECT count(*) FROM dovuti") == 0
    assert told(await admin.ask("DELETE", "/api/tenants/acme")) == (404, "not_found")


@pytest.mark.parametrize(
    "statement",
    [
        """INSERT INTO jobs (id, tenant_id, type, due_at, created_by, created_at, updated_at)
           SELECT gen_random_uuid(), id, 'echo', now(), 'anna', now(), now() FROM tenants WHERE code = 'acme'""",
        """INSERT INTO job_definitions (id, tenant_id, code, type, name, created_by)
           SELECT gen_random_uuid(), id, 'd', 'echo', 'D', 'anna' FROM tenants WHERE code = 'acme'""",
    ],
)
async def test_a_tenant_with_jobs_or_definitions_stays(
    admin: Caller, pool: asyncpg.Pool, statement: str
) -> None:
    acme = await make_tenant(admin, "acme")
    await pool.execute(statement)
    assert told(await admin.ask("DELETE", "/api/tenants/acme")) == (409, "conflict")
    assert await acme.is_known()


async def test_the_first_tenant_stays(admin: Caller) -> None:
    assert told(await admin.ask("DELETE", "/api/tenants/default")) == (409, "conflict")


@pytest.mark.parametrize("code", ["nobody", "%00", "a%2Fb", "x" * 100])
async def test_an_unknown_tenant_is_not_found(admin: Caller, code: str) -> None:
    assert told(await admin.ask("DELETE", f"/api/tenants/{code}")) == (404, "not_found")


async def test_each_mutating_call_leaves_one_row_in_the_audit(admin: Caller, pool: asyncpg.Pool) -> None:
    await make_tenant(admin, "acme")
    await admin.ask("POST", "/api/tenants", {"code": "acme", "name": "Again"})
    await admin.ask("DELETE", "/api/tenants/default")
    await admin.ask("DELETE", "/api/tenants/acme")
    rows = await pool.fetch("SELECT action, object_type, object_id FROM audit ORDER BY id")
    assert [tuple(row) for row in rows] == [("create", "tenant", "acme"), ("delete", "tenant", "acme")]
