"""Alteryx: every call for every kind of caller."""

from typing import Any

import asyncpg
from aiohttp import ClientSession

from alteryx_asking import JOBS, ask_alteryx, make_workflow, run_workflow, workflow_path
from asking import ask, key_for, other_tenant
from service.dialects.alteryx.routes import routes

CALLERS = ("nobody", "foreigner", "stranger", "viewer", "shared with", "owner", "curator", "admin")
# What each gets, about a job that the owner made of a workflow of theirs.
ROWS: dict[tuple[str, str], str] = {
    ("GET", f"{JOBS}/{{id}}"): "401 404 404 200 200 200 200 200",
    ("GET", f"{JOBS}/{{id}}/messages"): "401 404 401 401 401 401 200 200",
    ("DELETE", f"{JOBS}/{{id}}"): "401 404 404 400 200 200 200 200",
    ("GET", JOBS): "401 200 401 401 401 401 200 200",
    ("GET", workflow_path("{workflow}")): "401 404 404 200 200 200 200 200",
    ("POST", workflow_path("{workflow}")): "401 404 404 403 200 200 200 200",
    ("GET", "/webapi/v1/jobs/{id}/output/{output_id}"): "401 404 404 200 200 200 200 200",
}


def test_every_route_that_needs_a_token_has_its_row() -> None:
    assert {(route.method, route.path) for route in routes} - {
        ("POST", "/webapi/oauth2/token")
    } == ROWS.keys()


async def test_each_caller_gets_what_the_row_says(api: ClientSession, pool: asyncpg.Pool) -> None:
    made = (
        {"Authorization": ""},
        await other_tenant(api),
        await key_for(api, "ugo", "user"),
        await key_for(api, "vera", "viewer"),
        await key_for(api, "sara", "user"),
        await key_for(api, "olga", "user"),
        await key_for(api, "carla", "curator"),
        dict(api.headers),
    )
    callers: dict[str, Any] = dict(zip(CALLERS, made, strict=True))
    shared = {"code": "one", "type": "echo", "shared_with": ["sara"]}
    assert (
        await ask(api, "POST", "/api/job-definitions", json=shared, headers=callers["owner"])
    ).status == 201
    for (method, path), expected in ROWS.items():
        got = []
        for headers in callers.values():
            job_id = await run_workflow(api, "one", callers["owner"])
            stored = await ask(
                api, "POST", "/api/attachments?name=o.csv", data=b"a", headers=callers["owner"]
            )
            output = await pool.fetchval(
                """INSERT INTO outputs (id, job_id, tenant_id, run, position, file_id)
                   VALUES (gen_random_uuid(), $1, 1, 1, 0, $2) RETURNING id""",
                job_id,
                stored.body["id"],
            )
            here = path.format(id=job_id, workflow="one", output_id=output)
            async with api.request(method, here, headers=headers) as response:
                got.append(str(response.status))
        assert " ".join(got) == expected, (method, path)


async def test_a_workflows_list_shows_what_one_may_see(api: ClientSession) -> None:
    await make_workflow(api, "one", shared_with=["sara", "ugo"])
    sara, ugo = await key_for(api, "sara", "user"), await key_for(api, "ugo", "user")
    made = {await run_workflow(api, "one", sara), await run_workflow(api, "one", ugo)}
    listed = (await ask_alteryx(api, "GET", workflow_path("one"), headers=sara)).body
    assert {one["id"] for one in listed} == made  # the workflow is shared with both, so all its jobs are
    foreigner = await other_tenant(api)
    assert (await ask_alteryx(api, "GET", JOBS, headers=foreigner)).body == []
