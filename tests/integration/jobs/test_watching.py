"""Long polls, many jobs at once, and event streams, over real servers."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientResponse, ClientSession

from running import Submit, running_worker, until
from service.jobs.jobtype import JobTypes
from service.settings import Settings


async def events(response: ClientResponse) -> AsyncIterator[tuple[str, int | None, Any]]:
    """The events of a stream: name, id, data."""
    name, event_id, data = "", None, b""
    async for raw in response.content:
        line = raw.rstrip(b"\n")
        if line.startswith(b"event: "):
            name = line[7:].decode()
        elif line.startswith(b"id: "):
            event_id = int(line[4:])
        elif line.startswith(b"data: "):
            data = line[6:]
        elif not line and data:
            yield name, event_id, json.loads(data)
            name, event_id, data = "", None, b""


async def test_wait_answers_as_soon_as_the_job_has_ended(
    api: ClientSession, submit: Submit, worker: asyncio.Event
) -> None:
    made = await submit("steps", args={"steps": 2, "seconds": 0.2})
    async with api.get(f"/api/jobs/{made['id']}", params={"wait": "20"}) as response:
        read = await response.json()
    assert read["status"] == "finished"
    assert "Retry-After" not in response.headers


async def test_wait_with_a_known_version_answers_at_the_next_one(api: ClientSession, submit: Submit) -> None:
    made = await submit("steps")
    path = f"/api/jobs/{made['id']}"
    waiting = asyncio.create_task(
        api.get(path, params={"wait": "20"}, headers={"If-None-Match": '"1"'}).__aenter__()
    )
    await asyncio.sleep(0)
    async with api.post(f"{path}/suspend") as response:
        assert response.status == 200
    async with asyncio.timeout(5):
        answer = await waiting
    assert (await answer.json())["status"] == "suspended"
    assert answer.headers["ETag"] == '"2"'


async def test_waiting_in_vain_is_304_or_what_there_is(api: ClientSession, submit: Submit) -> None:
    made = await submit("steps")
    path = f"/api/jobs/{made['id']}"
    async with api.get(path, params={"wait": "1"}, headers={"If-None-Match": '"1"'}) as response:
        assert response.status == 304
        assert "Preference-Applied" not in response.headers
    async with api.get(path, headers={"Prefer": "wait=1"}) as response:
        assert (await response.json())["status"] == "pending"
        assert response.headers["Preference-Applied"] == "wait=1"


async def test_create_may_wait_for_the_end(api: ClientSession, worker: asyncio.Event) -> None:
    headers = {"Prefer": "wait=20"}
    async with api.post("/api/jobs", json={"type": "echo", "args": {"a": 1}}, headers=headers) as response:
        made = await response.json()
    assert (response.status, made["status"], made["output"]) == (201, "finished", '{"a":1}')
    assert response.headers["ETag"] == f'"{made["version"]}"'


async def test_poll_answers_with_what_changed_and_what_is_gone(api: ClientSession, submit: Submit) -> None:
    one, two, three = await submit("steps"), await submit("steps"), await submit("steps")
    pairs = [{"id": made["id"], "version": 1} for made in (one, two, three)]
    async with api.post("/api/jobs/poll", json={"jobs": pairs}) as response:
        assert await response.json() == {"jobs": [], "gone": []}
    waiting = asyncio.create_task(api.post("/api/jobs/poll", json={"jobs": pairs, "wait": 20}).__aenter__())
    async with api.post(f"/api/jobs/{two['id']}/suspend") as response:
        assert response.status == 200
    async with asyncio.timeout(5):
        answer = await (await waiting).json()
    assert [job["id"] for job in answer["jobs"]] == [two["id"]]
    assert answer["gone"] == []
    async with api.delete(f"/api/jobs/{three['id']}") as response:
        assert response.status == 204
    async with api.post("/api/jobs/poll", json={"jobs": pairs, "wait": 20}) as response:
        answer = await response.json()
    assert answer["gone"] == [three["id"]]


@pytest.mark.parametrize("pairs", [[{"id": "no", "version": 1}], [{"id": "x"}], {}])
async def test_poll_refuses_what_is_no_list_of_pairs(api: ClientSession, pairs: Any) -> None:
    async with api.post("/api/jobs/poll", json={"jobs": pairs}) as response:
        assert response.status == 422


async def test_a_stream_tells_every_message_in_order_and_ends_after_the_end(
    api: ClientSession, submit: Submit, worker: asyncio.Event
) -> None:
    made = await submit("steps", args={"steps": 20, "seconds": 0.05})
    async with asyncio.timeout(20), api.get(f"/api/jobs/{made['id']}/events") as response:
        told = [one async for one in events(response)]
    assert told[0][0] == "job"
    ids = [event_id for _, event_id, _ in told if event_id is not None]
    assert ids == sorted(set(ids))
    assert [data["text"] for name, _, data in told if name == "message"] == [f"step {n}" for n in range(20)]
    assert told[-1][0] == "job"
    assert told[-1][2]["status"] == "finished"
    assert [data["status"] for name, _, data in told if name == "job"].count("finished") == 1


async def test_a_stream_resumes_after_the_last_event(
    api: ClientSession, submit: Submit, worker: asyncio.Event
) -> None:
    made = await submit("steps", args={"steps": 20, "seconds": 0.05})
    path = f"/api/jobs/{made['id']}/events"
    seen: list[tuple[str, int | None, Any]] = []
    async with api.get(path) as response:
        async for one in events(response):
            seen.append(one)
            if sum(name == "message" for name, _, _ in seen) >= 5:
                break
    last = max(event_id for _, event_id, _ in seen if event_id is not None)
    async with asyncio.timeout(20), api.get(path, headers={"Last-Event-ID": str(last)}) as response:
        seen += [one async for one in events(response)]
    assert [data["text"] for name, _, data in seen if name == "message"] == [f"step {n}" for n in range(20)]
    async with api.get(path, headers={"Last-Event-ID": str(seen[-1][1])}) as response:
        assert response.status == 204


async def test_watchers_are_woken_without_redis(
    api: ClientSession, submit: Submit, pool: asyncpg.Pool, settings: Settings
) -> None:
    made = await submit("steps")
    path = f"/api/jobs/{made['id']}"
    waiting = asyncio.create_task(
        api.get(path, params={"wait": "20"}, headers={"If-None-Match": '"1"'}).__aenter__()
    )
    await asyncio.sleep(0)
    # A change that no hint tells of.
    await pool.execute("UPDATE jobs SET version = version + 1 WHERE id = $1", made["id"])
    async with asyncio.timeout(12):
        answer = await waiting
    assert answer.headers["ETag"] == '"2"'


async def test_the_tenants_stream_tells_of_all_jobs_and_resumes(
    api: ClientSession, submit: Submit, settings: Settings, job_types: JobTypes
) -> None:
    async with running_worker(settings, job_types):
        async with asyncio.timeout(20), api.get("/api/events") as response:
            stream = events(response)
            first = await submit("echo")
            last = 0
            async for name, event_id, data in stream:
                assert name == "job"
                last = event_id or last
                if data["id"] == first["id"] and data["status"] == "finished":
                    break
        second = await submit("echo")
        await until(api, second["id"], "finished")
    async with asyncio.timeout(20), api.get("/api/events", headers={"Last-Event-ID": str(last)}) as response:
        async for _, _, data in events(response):
            if data["id"] == second["id"]:
                assert data["status"] == "finished"
                break
    async with api.get("/api/events", params={"status": "lost"}) as response:
        assert response.status == 400


@pytest.mark.alone
async def test_a_cap_on_waiters_answers_at_once(api: ClientSession, submit: Submit) -> None:
    made = await submit("steps")
    async with api.patch("/api/tenant", json={"caps": {"waiters": 1}}) as changed:
        assert changed.status == 200
    path = f"/api/jobs/{made['id']}"
    async with api.get(f"{path}/events") as stream:
        assert stream.status == 200
        async with asyncio.timeout(2), api.get(path, params={"wait": "20"}) as response:
            problem = await response.json()
    assert (response.status, problem["code"]) == (429, "cap_exceeded")
    assert response.headers["Retry-After"]
