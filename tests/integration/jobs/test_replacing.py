"""PUT: the creation body of a job that has not started."""

import asyncio

from aiohttp import ClientSession

from running import Submit, until


async def test_put_replaces_the_whole_request_and_keeps_the_id(api: ClientSession, submit: Submit) -> None:
    made = await submit("echo", args={"a": 1}, description="old", labels={"x": "1"}, priority="high")
    body = {"type": "echo", "args": {"b": 2}, "labels": {"y": "2"}}
    async with api.put(f"/api/jobs/{made['id']}", json=body, headers={"If-Match": '"1"'}) as response:
        job = await response.json()
    assert response.status == 200
    assert (job["id"], job["args"], job["labels"]) == (made["id"], {"b": 2}, {"y": "2"})
    assert (job["description"], job["priority"], job["version"]) == (None, "default", 2)
    async with api.put(f"/api/jobs/{made['id']}", json=body, headers={"If-Match": '"1"'}) as response:
        assert response.status == 412


async def test_put_keeps_type_and_key(api: ClientSession, submit: Submit) -> None:
    made = await submit("echo", idempotency_key="k")
    for change in ({"type": "steps"}, {"type": "echo", "idempotency_key": "other"}):
        async with api.put(f"/api/jobs/{made['id']}", json=change) as response:
            problem = await response.json()
        assert (response.status, problem["code"]) == (409, "wrong_state")
    async with api.put(f"/api/jobs/{made['id']}", json={"type": "echo", "idempotency_key": "k"}) as response:
        assert response.status == 200


async def test_put_of_a_job_that_has_started_is_refused(
    api: ClientSession, submit: Submit, worker: asyncio.Event
) -> None:
    made = await submit("echo")
    await until(api, made["id"], "finished")
    async with api.put(f"/api/jobs/{made['id']}", json={"type": "echo"}) as response:
        problem = await response.json()
    assert (response.status, problem["code"]) == (409, "wrong_state")
