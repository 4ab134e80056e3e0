"""Many who watch, each in a way of their own: what they are told, what they may see, and what they cost."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import asyncpg
import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from api_process import Event, events
from asking import ask, key_for, other_tenant, put_into
from running import Submit
from service.app import create_app
from service.events import hub
from service.events.hub import HUB, Hub
from service.jobs.jobtype import JobTypes
from service.jobs.states import TERMINAL
from service.settings import Settings

Told = dict[int, dict[str, Any]]
"""A job by its version, in the order of telling."""


async def by_poll(api: ClientSession, job_id: str, told: Told, **how: Any) -> None:
    """Ask until the job has ended, each time only for what is not known."""
    tag = '""'
    while True:
        async with api.get(f"/api/jobs/{job_id}", headers={"If-None-Match": tag}, **how) as response:
            tag = response.headers["ETag"]
            if response.status == 200:
                job = await response.json()
                assert job["version"] not in told
                told[job["version"]] = job
                if job["status"] in TERMINAL:
                    return
        await asyncio.sleep(0)


async def by_stream(api: ClientSession, job_id: str, told: Told) -> None:
    async with api.get(f"/api/jobs/{job_id}/events") as response:
        async for event in events(response):
            if event.name == "job":
                told[event.data["version"]] = event.data


async def by_poll_of_many(api: ClientSession, job_id: str, told: Told) -> None:
    version = 0
    while not told or told[version]["status"] not in TERMINAL:
        asked = {"jobs": [{"id": job_id, "version": version}], "wait": 20}
        async with api.post("/api/jobs/poll", json=asked) as response:
            (job,) = (await response.json())["jobs"]
            version = job["version"]
            assert version not in told
            told[version] = job


async def by_stream_of_all(api: ClientSession, job_id: str, told: Told) -> None:
    async with api.get("/api/events") as response:
        async for event in events(response):
            if event.data["id"] == job_id:
                told[event.data["version"]] = event.data
                if event.data["status"] in TERMINAL:
                    return


async def test_all_who_watch_a_job_are_told_of_the_same_versions_in_the_same_order(
    api: ClientSession, submit: Submit, worker: asyncio.Event
) -> None:
    made = await submit("steps", args={"steps": 30, "seconds": 0.05})
    everybody: list[Told] = [{} for _ in range(10)]
    async with asyncio.timeout(30), asyncio.TaskGroup() as watching:
        for ways in (everybody[:5], everybody[5:]):
            watching.create_task(by_poll(api, made["id"], ways[0]))
            watching.create_task(by_poll(api, made["id"], ways[1], params={"wait": "20"}))
            watching.create_task(by_stream(api, made["id"], ways[2]))
            watching.create_task(by_poll_of_many(api, made["id"], ways[3]))
            watching.create_task(by_stream_of_all(api, made["id"], ways[4]))
    jobs: Told = {}
    for told in everybody:
        versions = list(told)
        assert versions == sorted(versions), "told out of order"
        assert [told[version]["status"] in TERMINAL for version in versions].index(True) == len(versions) - 1
        percents = [told[version]["percent_completed"] for version in versions]
        assert percents == sorted(percents)
        for version, job in told.items():
            assert jobs.setdefault(version, job) == job, "two were told differently of one version"
    assert {max(told) for told in everybody} == {max(jobs)}


class System(NamedTuple):
    """An API whose hub can be looked into, and the address of it."""

    hub: Hub
    url: str
    admin: ClientSession


@pytest.fixture
async def system(settings: Settings, job_types: JobTypes) -> AsyncIterator[System]:
    app = create_app(settings, job_types)
    async with TestServer(app) as server:
        headers = {"Authorization": f"Bearer {settings.admin_key}"}
        async with ClientSession(server.make_url("/"), headers=headers) as admin:
            yield System(app[HUB], str(server.make_url("/")).rstrip("/"), admin)


async def create(api: ClientSession, type_: str = "echo", **how: Any) -> str:
    made = await ask(api, "POST", "/api/jobs", json={"type": type_}, **how)
    assert made.status == 201, made
    return str(made.body["id"])


async def until_waiters(hub: Hub, count: int, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while hub.waiters != count:
            await asyncio.sleep(0.02)


async def test_who_hangs_up_is_forgotten_at_the_next_beat(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "BEAT_SECONDS", 1.0)
    job_id = await create(system.admin)
    async with ClientSession(system.url, headers=system.admin.headers) as leaving:
        calls = [
            asyncio.create_task(leaving.get(f"/api/jobs/{job_id}", params={"wait": "60"}).__aenter__()),
            asyncio.create_task(
                leaving.post(
                    "/api/jobs/poll", json={"jobs": [{"id": job_id, "version": 1}], "wait": 60}
                ).__aenter__()
            ),
        ]
        streams = [
            await leaving.get(path).__aenter__() for path in (f"/api/jobs/{job_id}/events", "/api/events")
        ]
        await until_waiters(system.hub, 4, 5)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        for stream in streams:
            stream.close()
    await until_waiters(system.hub, 0, 12)


async def test_an_idle_stream_is_pinged_at_each_beat(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "BEAT_SECONDS", 0.5)
    job_id = await create(system.admin)
    async with system.admin.get(f"/api/jobs/{job_id}/events") as stream:
        async with asyncio.timeout(5):
            await stream.content.readuntil(b": ping\n\n")
            await stream.content.readuntil(b": ping\n\n")
        await ask(system.admin, "POST", f"/api/jobs/{job_id}/cancel")
        async with asyncio.timeout(5):
            rest = await stream.content.read()
    assert b'"status":"cancelled"' in rest


async def test_a_stream_says_nothing_more_once_its_key_is_revoked(system: System) -> None:
    job_id = await create(system.admin)
    made = await ask(
        system.admin, "POST", "/api/keys", json={"name": "n", "principal": "anna", "roles": ["viewer"]}
    )
    headers = {"Authorization": f"Bearer {made.body['secret']}"}
    async with (
        asyncio.timeout(10),
        ClientSession(system.url, headers=headers) as anna,
        anna.get(f"/api/jobs/{job_id}/events") as one,
        anna.get("/api/events") as every,
    ):
        tag = {"If-None-Match": '"1"'}
        waiting = asyncio.create_task(ask(anna, "GET", f"/api/jobs/{job_id}?wait=20", headers=tag))
        await until_waiters(system.hub, 3, 5)
        await ask(system.admin, "DELETE", f"/api/keys/{made.body['id']}")
        await ask(system.admin, "POST", f"/api/jobs/{job_id}/suspend")
        assert b"suspended" not in await one.content.read()
        assert b"suspended" not in await every.content.read()
        assert (await waiting).status == 401


Line = tuple[str, str, str | None]


async def next_of(stream: AsyncIterator[Event]) -> Line:
    """The next event: its name, and the id and status of its job."""
    async with asyncio.timeout(10):
        event = await anext(stream)
    return event.name, event.data["id"], event.data.get("status")


async def test_each_reader_of_the_tenants_stream_is_told_of_what_they_may_see(system: System) -> None:
    admin = system.admin
    readers = {
        "anna": await key_for(admin, "anna", "user"),
        "ben": await key_for(admin, "ben", "user"),
        "clara": await key_for(admin, "clara", "viewer"),
        "other": await other_tenant(admin),
    }
    async with ClientSession(system.url) as client, AsyncExitStack() as stack:
        streams = {
            name: events(await stack.enter_async_context(client.get("/api/events", headers=headers)))
            for name, headers in readers.items()
        }
        first = {name: asyncio.create_task(next_of(stream)) for name, stream in streams.items()}
        await until_waiters(system.hub, 4, 5)
        of_ben = await create(client, headers=readers["ben"])
        assert await first["ben"] == await first["clara"] == ("job", of_ben, "pending")
        await ask(client, "DELETE", f"/api/jobs/{of_ben}", headers=readers["ben"])
        for name in ("ben", "clara"):
            assert await next_of(streams[name]) == ("gone", of_ben, None)
        of_anna = await create(client, headers=readers["anna"])
        of_other = await create(client, headers=readers["other"])
        assert await first["anna"] == await next_of(streams["clara"]) == ("job", of_anna, "pending")
        assert await first["other"] == ("job", of_other, "pending")
        of_ben = await create(client, headers=readers["ben"])
        assert await next_of(streams["ben"]) == ("job", of_ben, "pending")


async def test_a_stream_of_all_goes_on_with_the_last_state_of_each_job_that_changed_meanwhile(
    system: System, pool: asyncpg.Pool
) -> None:
    admin = system.admin
    anna = await key_for(admin, "anna", "user")
    kept, deleted, ended = [await create(admin, headers=anna) for _ in range(3)]
    foreign = await create(admin)
    await put_into(pool, ended, "finished")
    now = "extract(epoch FROM now() - interval '1 second') * 1000"
    long_ago = "now() - interval '1 hour'"
    await pool.execute(
        f"UPDATE jobs SET created_at = {long_ago}, updated_at = {long_ago},"
        f" terminated_at = CASE WHEN terminated_at IS NOT NULL THEN {long_ago} END"
    )
    last = int(await pool.fetchval(f"SELECT {now}"))
    await ask(admin, "POST", f"/api/jobs/{kept}/suspend")
    await ask(admin, "PATCH", f"/api/jobs/{ended}", json={"description": "well done"})
    for job_id in (deleted, foreign):
        await ask(admin, "DELETE", f"/api/jobs/{job_id}")
    created = await create(admin, headers=anna)
    for headers, expected_gone in ((anna, {deleted}), (dict(admin.headers), {deleted, foreign})):
        async with admin.get("/api/events", headers={**headers, "Last-Event-ID": str(last)}) as response:
            stream = events(response)
            told = {await next_of(stream) for _ in range(3 + len(expected_gone))}
        assert told == {
            ("job", kept, "suspended"),
            ("job", ended, "finished"),
            ("job", created, "pending"),
            *(("gone", job_id, None) for job_id in expected_gone),
        }


async def test_a_stream_of_all_tells_only_what_was_asked_for(system: System, pool: asyncpg.Pool) -> None:
    admin = system.admin
    query = "/api/events?status=suspended,cancelled&type=echo"
    async with admin.get(query) as response:
        stream = events(response)
        steps, echo = await create(admin, "steps"), await create(admin, "echo")
        for job_id in (steps, echo):
            await ask(admin, "POST", f"/api/jobs/{job_id}/suspend")
        assert await next_of(stream) == ("job", echo, "suspended")
        await ask(admin, "POST", f"/api/jobs/{echo}/resume")
        await asyncio.sleep(0.5)
        await ask(admin, "POST", f"/api/jobs/{steps}/cancel")
        await ask(admin, "POST", f"/api/jobs/{echo}/cancel")
        assert await next_of(stream) == ("job", echo, "cancelled")


async def test_a_job_that_was_watched_by_nobody_who_may_is_told_to_nobody_else(
    system: System,
) -> None:
    admin = system.admin
    anna, clara = await key_for(admin, "anna", "user"), await key_for(admin, "clara", "viewer")
    job_id = await create(admin)
    for path in (f"/api/jobs/{job_id}/events", f"/api/jobs/{job_id}?wait=1"):
        assert (await ask(admin, "GET", path, headers=anna)).status == 404
    asked = {"jobs": [{"id": job_id, "version": 0}]}
    polled = await ask(admin, "POST", "/api/jobs/poll", json=asked, headers=anna)
    assert polled.body == {"jobs": [], "gone": [job_id]}
    polled = await ask(admin, "POST", "/api/jobs/poll", json=asked, headers=clara)
    assert [job["id"] for job in polled.body["jobs"]] == [job_id]


async def test_a_poll_of_a_thousand_is_quick_and_tells_what_is_gone(system: System) -> None:
    admin = system.admin
    foreign = await create(admin, headers=await other_tenant(admin))
    batch = await ask(admin, "POST", "/api/jobs/batch", json=[{"type": "echo"}] * 998)
    ids = [one["job"]["id"] for one in batch.body]
    unknown = "0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f"
    asked = {"jobs": [{"id": job_id, "version": 1} for job_id in (*ids, foreign, unknown)]}
    took = []
    for _ in range(20):
        began = time.perf_counter()
        polled = await ask(admin, "POST", "/api/jobs/poll", json=asked)
        took.append(time.perf_counter() - began)
        assert polled.body == {"jobs": [], "gone": [foreign, unknown]}
    assert min(took) < 0.1, took  # 15 ms where nothing else runs
    asked["jobs"].append({"id": ids[0], "version": 1})
    assert (await ask(admin, "POST", "/api/jobs/poll", json=asked)).status == 413


async def test_a_stream_begun_with_a_number_that_is_none_of_its_job_tells_all(system: System) -> None:
    job_id = await create(system.admin)
    path = f"/api/jobs/{job_id}/events"
    async with asyncio.timeout(10), system.admin.get(path, headers={"Last-Event-ID": "999999"}) as response:
        stream = events(response)
        assert (await anext(stream)).data["status"] == "pending"
        await ask(system.admin, "POST", f"/api/jobs/{job_id}/cancel")
        assert (await anext(stream)).data["status"] == "cancelled"
        assert [event async for event in stream] == []
