"""Who may do what to whose job: every route, every role."""

from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession

from asking import ask, key_for, other_tenant, put_into
from running import Submit
from service.jobs import routes

# What each caller gets for a job of olga's, a plain user: (status where it is allowed, else what is told).
CALLERS = ("owner", "curator", "admin", "viewer", "stranger", "other tenant", "nobody")
READ = {
    "owner": 200,
    "curator": 200,
    "admin": 200,
    "viewer": 200,
    "stranger": 404,
    "other tenant": 404,
    "nobody": 401,
}
WRITE = {**READ, "viewer": 403}
CREATE = {**dict.fromkeys(CALLERS, 201), "viewer": 403, "nobody": 401}
LIST = {**dict.fromkeys(CALLERS, 200), "nobody": 401}
TABLE: dict[tuple[str, str], tuple[dict[str, int], str, dict[str, Any]]] = {
    ("POST", "/api/jobs"): (CREATE, "pending", {"json": {"type": "echo"}}),
    ("POST", "/api/jobs/batch"): (
        {**CREATE, **dict.fromkeys(set(CALLERS) - {"viewer", "nobody"}, 207)}, "pending", {"json": [{"type": "echo"}]}
    ),
    ("GET", "/api/jobs/{id}"): (READ, "pending", {}),
    ("PATCH", "/api/jobs/{id}"): (WRITE, "pending", {"json": {"description": "x"}}),
    ("PUT", "/api/jobs/{id}"): (WRITE, "pending", {"json": {"type": "echo"}}),
    ("DELETE", "/api/jobs/{id}"): (
        {**WRITE, "owner": 204, "curator": 204, "admin": 204}, "pending", {}
    ),
    ("POST", "/api/jobs/{id}/cancel"): (WRITE, "pending", {}),
    ("POST", "/api/jobs/{id}/suspend"): (WRITE, "pending", {}),
    ("POST", "/api/jobs/{id}/resume"): (WRITE, "suspended", {}),
    ("POST", "/api/jobs/{id}/rerun"): (WRITE, "failed", {}),
    ("GET", "/api/jobs/{id}/attempts"): (READ, "pending", {}),
    ("GET", "/api/jobs/{id}/messages"): (READ, "pending", {}),
}  # fmt: skip


@pytest.fixture
async def callers(api: ClientSession) -> dict[str, dict[str, str]]:
    """Headers by caller."""
    return {
        "owner": await key_for(api, "olga", "user"),
        "curator": await key_for(api, "carla", "curator"),
        "admin": dict(api.headers),
        "viewer": await key_for(api, "vera", "viewer"),
        "stranger": await key_for(api, "ugo", "user"),
        "other tenant": await other_tenant(api),
        "nobody": {"Authorization": "Bearer lv_nobody-has-this-token"},
    }


def test_every_route_of_jobs_has_its_row() -> None:
    elsewhere = {"/api/jobs/{id}/explain", "/api/jobs/actions"}  # tested with what they do
    assert {(one.method, one.path) for one in routes.routes if one.path not in elsewhere} == TABLE.keys()


async def test_every_route_for_every_caller(
    api: ClientSession, callers: dict[str, dict[str, str]], pool: asyncpg.Pool
) -> None:
    for (method, path), (expected, status, how) in TABLE.items():
        for caller in CALLERS:
            made = await ask(api, "POST", "/api/jobs", json={"type": "echo"}, headers=callers["owner"])
            await put_into(pool, made.body["id"], status)
            answer = await ask(api, method, path.format(id=made.body["id"]), headers=callers[caller], **how)
            assert answer.status == expected[caller], (method, path, caller)


async def test_a_list_shows_what_one_may_read(api: ClientSession, callers: dict[str, dict[str, str]]) -> None:
    for caller in ("owner", "stranger", "other tenant"):
        assert (
            await ask(api, "POST", "/api/jobs", json={"type": "echo"}, headers=callers[caller])
        ).status == 201
    for caller, names in (
        ("owner", {"olga"}), ("stranger", {"ugo"}), ("viewer", {"olga", "ugo"}), ("curator", {"olga", "ugo"}),
        ("admin", {"olga", "ugo"}), ("other tenant", {"admin"}),
    ):  # fmt: skip
        listed = await ask(api, "GET", "/api/jobs", headers=callers[caller])
        assert {job["created_by"] for job in listed.body["jobs"]} == names, caller
    hidden = await ask(api, "GET", "/api/jobs?created_by=olga", headers=callers["stranger"])
    assert hidden.body == {"jobs": []}


async def test_a_shared_definition_shares_its_jobs(
    api: ClientSession, callers: dict[str, dict[str, str]], submit: Submit, pool: asyncpg.Pool
) -> None:
    job_id = (await submit())["id"]
    await pool.execute(
        "INSERT INTO job_definitions (id, tenant_id, code, type, name, shared_with, created_by, created_at)"
        " VALUES (gen_random_uuid(), 1, 'nightly', 'echo', 'n', '{ugo}', 'admin', '2020-01-01')"
    )
    await pool.execute("UPDATE jobs SET definition = 'nightly' WHERE id = $1", job_id)
    assert (await ask(api, "GET", f"/api/jobs/{job_id}", headers=callers["stranger"])).status == 200
    assert (await ask(api, "POST", f"/api/jobs/{job_id}/suspend", headers=callers["stranger"])).status == 200
    assert (await ask(api, "GET", f"/api/jobs/{job_id}", headers=callers["owner"])).status == 404
    listed = await ask(api, "GET", "/api/jobs", headers=callers["stranger"])
    assert [job["id"] for job in listed.body["jobs"]] == [job_id]


async def test_grants_add_single_permissions(api: ClientSession, submit: Submit) -> None:
    path = f"/api/jobs/{(await submit())['id']}"
    reader = await key_for(api, "rita", "user", grants=("jobs:read_all",))
    assert (await ask(api, "GET", path, headers=reader)).status == 200
    assert (await ask(api, "POST", f"{path}/suspend", headers=reader)).status == 403
    controller = await key_for(api, "cora", "viewer", grants=("jobs:control_all",))
    assert (await ask(api, "POST", f"{path}/suspend", headers=controller)).status == 200
    assert (await ask(api, "POST", "/api/jobs", json={"type": "echo"}, headers=controller)).status == 403
