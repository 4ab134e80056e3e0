"""Who watches while API processes die, Redis and PostgreSQL go away, and servers are told to stop."""

import asyncio
import signal
import socket
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession

from api_process import ApiProcess, Event, events, follow
from asking import ask
from faulty_proxy import faulty_proxy
from service.jobs.states import TERMINAL
from service.settings import Settings
from worker_process import OwnRedis, WorkerProcess

LINES = 400


async def create(api: ClientSession, type_: str = "echo", **args: Any) -> str:
    made = await ask(api, "POST", "/api/jobs", json={"type": type_, "args": args})
    assert made.status == 201, made
    return str(made.body["id"])


@pytest.mark.usefixtures("invariants")
@pytest.mark.fault("F19", "SSE while the API is killed and started again")
async def test_streams_go_on_without_a_gap_after_the_api_was_killed(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    with ApiProcess(settings) as api, WorkerProcess(settings):
        await api.until_ready()
        async with api.session() as client, asyncio.timeout(60):
            job_id = await create(client, "lines", count=LINES, seconds=6)
            of_job: list[Event] = []
            of_all: list[Event] = []
            streams = [
                asyncio.create_task(
                    follow(
                        client,
                        f"/api/jobs/{job_id}/events",
                        lambda event: event.name == "job" and event.data["status"] in TERMINAL,
                        of_job,
                    )
                ),
                asyncio.create_task(follow(client, "/api/events", lambda _: False, of_all)),
            ]
            others: list[str] = []
            for _ in range(2):
                async with asyncio.timeout(20):
                    before = len(of_job)
                    while len(of_job) < before + 2:
                        await asyncio.sleep(0.02)
                others += [await create(client, "wait", seconds=0.1) for _ in range(10)]
                await api.kill_and_start_again()
            patched, deleted = others[0], others[1]
            for job_id_ in (patched, deleted):
                while (await ask(client, "GET", f"/api/jobs/{job_id_}?wait=10")).body["status"] != "finished":
                    pass
            await ask(client, "PATCH", f"/api/jobs/{patched}", json={"description": "well done"})
            await ask(client, "DELETE", f"/api/jobs/{deleted}")
            await api.kill_and_start_again()
            await streams[0]
            while await pool.fetchval("SELECT count(*) FROM jobs WHERE terminated_at IS NULL"):
                await asyncio.sleep(0.05)
            rows = await pool.fetch("SELECT id::text, version FROM jobs")
            expected = {row["id"]: row["version"] for row in rows} | {deleted: None}
            async with asyncio.timeout(20):
                while {event.data["id"]: event.data.get("version") for event in of_all} != expected:
                    await asyncio.sleep(0.05)
            streams[1].cancel()
            await asyncio.wait(streams)
    texts = [event.data["text"] for event in of_job if event.name == "message"]
    assert texts == [f"line {n}" for n in range(LINES)]
    versions = [event.data["version"] for event in of_job if event.name == "job"]
    assert versions == sorted(versions)
    last_states = {event.data["id"]: event for event in of_all}
    assert last_states[deleted].name == "gone"
    assert last_states[patched].data["description"] == "well done"
    for told_id in expected:
        of_one = [
            event.data["version"] for event in of_all if event[0] == "job" and event.data["id"] == told_id
        ]
        assert of_one == sorted(of_one)


async def test_a_change_through_one_process_wakes_a_waiter_of_the_other(settings: Settings) -> None:
    shared = {"LAVORI_API_PROCESSES": "2"}
    with ApiProcess(settings, environ=shared) as one, ApiProcess(settings, one.port, shared) as two:
        await one.until_ready()
        await two.until_ready()
        await asyncio.sleep(1)  # until both listen: the readiness seen may be one's own
        async with one.session() as client:
            job_ids = [await create(client) for _ in range(20)]
            # The kernel spreads connections over both processes.
            waiting = [
                asyncio.create_task(
                    ask(client, "GET", f"/api/jobs/{job_id}?wait=20", headers={"If-None-Match": '"1"'})
                )
                for job_id in job_ids
            ]
            await asyncio.sleep(0.5)
            began = time.monotonic()
            for job_id in job_ids:
                await ask(client, "POST", f"/api/jobs/{job_id}/suspend", headers={"Connection": "close"})
            answers = await asyncio.gather(*waiting)
            assert time.monotonic() - began < 3
        assert [answer.body["status"] for answer in answers] == ["suspended"] * 20


async def suspend_and_wait(client: ClientSession) -> float:
    """How long after a change its waiter had heard of it, in seconds."""
    job_id = await create(client)
    async with client.get(f"/api/jobs/{job_id}/events") as stream:
        told = events(stream)
        await anext(told)
        await ask(client, "POST", f"/api/jobs/{job_id}/suspend")
        began = time.monotonic()
        async with asyncio.timeout(15):
            assert (await anext(told)).data["status"] == "suspended"
        return time.monotonic() - began


async def test_waiters_are_woken_while_redis_is_stopped_or_hangs(
    on_own_redis: Settings, own_redis: OwnRedis
) -> None:
    with ApiProcess(on_own_redis) as api:
        await api.until_ready()
        async with api.session() as client:
            assert await suspend_and_wait(client) < 0.5
            own_redis.stop()
            assert max([await suspend_and_wait(client) for _ in range(2)]) < 1.6
            own_redis.start()
            async with asyncio.timeout(10):
                while await suspend_and_wait(client) > 0.2:
                    pass
            own_redis.signal(signal.SIGSTOP)
            try:
                await asyncio.sleep(2.5)  # until it is known to hang
                assert await suspend_and_wait(client) < 2.0
            finally:
                own_redis.signal(signal.SIGCONT)


async def test_streams_outlive_an_outage_of_postgresql(settings: Settings, pool: asyncpg.Pool) -> None:
    assert settings.database_url is not None
    async with faulty_proxy(settings.database_url) as (proxy, url):
        with ApiProcess(replace(settings, database_url=url)) as api:
            await api.until_ready()
            async with api.session() as client:
                job_id = await create(client)
                streams = [
                    await client.get(path).__aenter__()
                    for path in (f"/api/jobs/{job_id}/events", "/api/events")
                ]
                of_job, of_all = (events(stream) for stream in streams)
                assert (await anext(of_job)).data["version"] == 1
                in_vain = asyncio.create_task(ask(client, "GET", f"/api/jobs/{job_id}?wait=20"))
                await asyncio.sleep(0.5)
                proxy.cut()
                # A change that is made elsewhere, and one that they hear of.
                await pool.execute(
                    "UPDATE jobs SET version = 2, modified_at = now(), updated_at = now() WHERE id = $1",
                    job_id,
                )
                async with asyncio.timeout(10):
                    while (answer := await ask(client, "GET", f"/api/jobs/{job_id}")).status != 503:
                        await asyncio.sleep(0.1)
                assert answer.headers["Retry-After"]
                assert (await ask(client, "GET", f"/api/jobs/{job_id}?wait=5")).status == 503
                await asyncio.sleep(2)
                proxy.mend()
                async with asyncio.timeout(15):
                    assert (await anext(of_job)).data["version"] == 2
                    assert (await anext(of_all)).data["version"] == 2
                    await ask(client, "POST", f"/api/jobs/{job_id}/cancel")
                    assert (await anext(of_job)).data["status"] == "cancelled"
                    assert (await anext(of_all)).data["status"] == "cancelled"
                    assert (await in_vain).body["status"] == "cancelled"
                for stream in streams:
                    stream.close()
            assert "stream.error" not in api.said
            assert "http.error" not in api.said


async def test_told_to_stop_it_answers_all_who_wait_at_once(settings: Settings) -> None:
    with ApiProcess(settings) as api:
        await api.until_ready()
        async with api.session() as client, AsyncExitStack() as stack:
            job_id = await create(client)
            streams = [
                await stack.enter_async_context(client.get(path))
                for path in [f"/api/jobs/{job_id}/events"] * 80 + ["/api/events"] * 20
            ]
            asked = {"jobs": [{"id": job_id, "version": 1}], "wait": 60}
            waiting = [
                asyncio.create_task(ask(client, "GET", f"/api/jobs/{job_id}?wait=60")) for _ in range(25)
            ]
            waiting += [
                asyncio.create_task(ask(client, "POST", "/api/jobs/poll", json=asked)) for _ in range(25)
            ]
            await asyncio.sleep(1)
            began = time.monotonic()
            api.signal(signal.SIGTERM)
            answers = await asyncio.gather(*waiting)
            texts = await asyncio.gather(*(stream.text() for stream in streams))
            told_after = time.monotonic() - began
            code = await api.exit_code(5)
        assert told_after < 1
        assert code == 0
        assert [answer.status for answer in answers] == [200] * 50
        assert all(answer.headers["Connection"] == "close" for answer in answers)
        assert all("retry: 500\n: the server is draining\n\n" in text for text in texts)
        assert "Traceback" not in api.said, api.said


async def test_who_reads_slowly_costs_others_nothing_and_bounded_memory(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    with ApiProcess(settings) as api:
        await api.until_ready()
        async with api.session() as client:
            job_id = await create(client, "echo", text="x" * 200_000)
            slow = [_slow_reader(api, settings, job_id) for _ in range(50)]
            try:
                async with client.get(f"/api/jobs/{job_id}/events") as stream:
                    told = events(stream)
                    await anext(told)
                    late = []
                    memory = 0
                    for turn in range(60):
                        act = "resume" if turn % 2 else "suspend"
                        await ask(client, "POST", f"/api/jobs/{job_id}/{act}")
                        began = time.monotonic()
                        async with asyncio.timeout(5):
                            await anext(told)
                        late.append(time.monotonic() - began)
                        if turn == 20:
                            memory = api.memory
                    grown = api.memory - memory
            finally:
                for one in slow:
                    one.close()
    assert sorted(late)[57] < 0.5, late
    assert grown < 8 * 2**20, f"grown by {grown / 2**20:.1f} MiB"


def _slow_reader(api: ApiProcess, settings: Settings, job_id: str) -> socket.socket:
    """A stream of a client that never reads."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    one.connect(("127.0.0.1", api.port))
    head = f"GET /api/jobs/{job_id}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {settings.admin_key}\r\n\r\n"
    one.sendall(head.encode())
    return one
