"""Jobs made from definitions: what they copy, what overrides it, and who shares them."""

import asyncio
from typing import Any

import asyncpg
import orjson
import pytest
from aiohttp import ClientSession

import odd_jobs
import secret_jobs
from asking import ask, key_for, pointers
from running import until
from service.jobs.jobtype import JobTypes

PATH = "/api/job-definitions"


@pytest.fixture
def job_types() -> JobTypes:
    return JobTypes([odd_jobs.echo, odd_jobs.steps, secret_jobs.careless])


async def make(api: ClientSession, code: str = "d", **body: Any) -> None:
    made = await ask(api, "POST", PATH, json={"code": code, "type": "echo", **body})
    assert made.status == 201, made


async def test_a_job_copies_its_definition_and_keeps_it(
    api: ClientSession, worker: asyncio.Event, pool: asyncpg.Pool
) -> None:
    given: dict[str, Any] = {
        "args": {"a": 1, "b": {"x": 1}}, "priority": "high", "labels": {"team": "a"}, "description": "d",
        "timeout_seconds": 60, "max_attempts": 3, "publish_link_access_scope": "organization",
    }  # fmt: skip
    options = {"send_failure_email": True}
    await make(api, **given, attachment={"file": "YWJj", "name": "a.txt"}, options=options)
    ran = await ask(api, "POST", f"{PATH}/d/execute", json={"args": {"b": {"y": 2}}, "labels": {"env": "x"}})
    assert ran.status == 201
    job = ran.body
    assert ran.headers["Location"] == f"/api/jobs/{job['id']}"
    assert (job["definition"], job["type"]) == ("d", "echo")
    assert {name: job[name] for name in given} == given | {
        "args": {"a": 1, "b": {"x": 1, "y": 2}}, "labels": {"team": "a", "env": "x"},
    }  # fmt: skip
    assert (job["attachment"]["name"], job["attachment"]["size"]) == ("a.txt", 3)
    assert (await ask(api, "DELETE", f"{PATH}/d")).status == 204
    done = await until(api, job["id"], "finished")
    assert (done["definition"], done["args"]) == ("d", job["args"])
    attached = await ask(api, "GET", f"/api/jobs/{job['id']}/attachment")
    assert (attached.status, attached.text) == (200, "abc")
    told = await pool.fetchval("SELECT options FROM job_requests WHERE job_id = $1::uuid", job["id"])
    assert told == '{"send_failure_email":true}'


async def test_the_attachment_of_a_definition_outlives_the_jobs_that_had_it(
    api: ClientSession, worker: asyncio.Event, pool: asyncpg.Pool
) -> None:
    await make(api, attachment={"file": "YWJj", "name": "a.txt"})
    first = (await ask(api, "POST", f"{PATH}/d/execute")).body
    await until(api, first["id"], "finished")
    assert (await ask(api, "DELETE", f"/api/jobs/{first['id']}")).status == 204
    await pool.execute("UPDATE files SET expires_at = now() - interval '1 ms' WHERE expires_at IS NOT NULL")
    await ask(api, "POST", "/api/attachments?name=x", data=b"x")
    await pool.execute("UPDATE files SET expires_at = now() - interval '1 ms' WHERE name = 'x'")
    async with asyncio.timeout(10):
        while await pool.fetchval("SELECT count(*) FROM files") > 1:  # until a purge has been
            await asyncio.sleep(0.05)
    second = (await ask(api, "POST", f"{PATH}/d/execute")).body
    assert (await ask(api, "GET", f"/api/jobs/{second['id']}/attachment")).text == "abc"


async def test_a_job_may_name_its_definition_in_any_way_of_creating_it(api: ClientSession) -> None:
    await make(api, args={"a": 1})
    created = await ask(
        api, "POST", "/api/jobs", json={"definition": "d", "args": {"b": 2}, "priority": "low"}
    )
    assert (created.status, created.body["args"], created.body["priority"]) == (201, {"a": 1, "b": 2}, "low")
    batch = await ask(api, "POST", "/api/jobs/batch", json=[{"definition": "d"}, {"definition": "none"}])
    assert [item["status"] for item in batch.body] == [201, 422]
    assert pointers(await ask(api, "POST", "/api/jobs", json={"definition": "none", "odd": 1})) == [
        "#/definition", "#/odd",
    ]  # fmt: skip
    assert pointers(await ask(api, "POST", "/api/jobs", json={"definition": "d", "type": "steps"})) == [
        "#/type"
    ]
    both = await ask(api, "POST", "/api/jobs", json={"definition": "d", "type": "echo"})
    assert both.status == 201
    for name in ("type", "definition"):
        refused = await ask(api, "POST", f"{PATH}/d/execute", json={name: "d"})
        assert pointers(refused) == [f"#/{name}"]
    assert (await ask(api, "POST", f"{PATH}/none/execute")).status == 404
    listed = await ask(api, "GET", f"{PATH}/d/jobs?sort=number&count=true")
    assert (listed.body["count"], [job["definition"] for job in listed.body["jobs"]]) == (3, ["d"] * 3)
    assert (await ask(api, "GET", f"{PATH}/d/jobs?definition=d")).status == 400
    assert (await ask(api, "GET", f"{PATH}/none/jobs")).status == 404
    assert (await ask(api, "GET", "/api/jobs?definition=d")).body["jobs"]


async def test_a_key_is_of_a_definition_and_its_request(api: ClientSession) -> None:
    await make(api)
    await make(api, "e")
    key = {"Idempotency-Key": "k"}
    first = await ask(api, "POST", f"{PATH}/d/execute", json={"args": {"a": 1}}, headers=key)
    again = await ask(api, "POST", f"{PATH}/d/execute", json={"args": {"a": 1}}, headers=key)
    assert (again.status, again.body["id"]) == (200, first.body["id"])
    assert again.headers["Idempotency-Replayed"] == "true"
    reused = await ask(api, "POST", f"{PATH}/d/execute", json={"args": {"a": 2}}, headers=key)
    assert (reused.status, reused.body["code"]) == (422, "idempotency_key_reused")
    for path, body in ((f"{PATH}/e/execute", {}), ("/api/jobs", {"type": "echo"})):
        other = await ask(api, "POST", path, json={**body, "args": {"a": 1}}, headers=key)
        assert other.status == 201
        assert other.body["id"] != first.body["id"]


async def test_shared_with_shares_the_definition_and_its_jobs(api: ClientSession) -> None:
    owner, sara, ugo = [await key_for(api, name, "user") for name in ("olga", "sara", "ugo")]
    await ask(api, "POST", PATH, json={"code": "d", "type": "echo", "shared_with": ["sara"]}, headers=owner)
    hers = await ask(api, "POST", f"{PATH}/d/execute", headers=owner)
    ran = await ask(api, "POST", f"{PATH}/d/execute", headers=sara)
    assert (ran.status, ran.body["created_by"]) == (201, "sara")
    path = f"/api/jobs/{hers.body['id']}"
    assert (await ask(api, "GET", path, headers=sara)).status == 200
    assert (await ask(api, "POST", f"{path}/suspend", headers=sara)).status == 200
    assert len((await ask(api, "GET", f"{PATH}/d/jobs", headers=sara)).body["jobs"]) == 2
    assert (await ask(api, "GET", path, headers=ugo)).status == 404
    assert (await ask(api, "POST", f"{PATH}/d/execute", headers=ugo)).status == 404
    refused = await ask(api, "POST", "/api/jobs", json={"definition": "d"}, headers=ugo)
    assert pointers(refused) == ["#/definition"]


async def test_a_new_definition_of_an_old_code_does_not_share_the_old_jobs(api: ClientSession) -> None:
    olga, ugo = await key_for(api, "olga", "user"), await key_for(api, "ugo", "user")
    await ask(api, "POST", PATH, json={"code": "d", "type": "echo"}, headers=olga)
    hers = (await ask(api, "POST", f"{PATH}/d/execute", headers=olga)).body
    assert (await ask(api, "DELETE", f"{PATH}/d", headers=olga)).status == 204
    await ask(api, "POST", PATH, json={"code": "d", "type": "echo", "shared_with": ["*"]}, headers=ugo)
    assert (await ask(api, "GET", f"/api/jobs/{hers['id']}", headers=ugo)).status == 404
    assert (await ask(api, "GET", "/api/jobs", headers=ugo)).body == {"jobs": []}
    assert (await ask(api, "GET", "/api/stats", headers=ugo)).body["by_type"] == {}
    assert (await ask(api, "GET", f"{PATH}/d/jobs", headers=ugo)).body == {"jobs": []}


async def test_the_worker_gets_the_secrets_of_a_definition_and_nobody_else_does(
    api: ClientSession, worker: asyncio.Event
) -> None:
    await make(api, type="careless", args={"password": "hunter22"})
    ran = (await ask(api, "POST", f"{PATH}/d/execute")).body
    assert ran["args"] == {"password": "***"}
    done = await until(api, ran["id"], "finished")
    assert orjson.loads(done["output"]) == {"digest": secret_jobs.digest("hunter22")}
    assert "hunter22" not in str(done)
