"""deploy/nginx.conf, as it stands, in front of two API processes: streams, large bodies, and one of them that goes."""

import asyncio
import hashlib
import io
import os
import signal
from pathlib import Path

import pytest
from aiohttp import ClientSession

from api_process import ApiProcess, events
from reverse_proxy import nginx_before
from running import running_worker, until
from service.jobs.jobtype import load_job_types
from service.settings import Settings


@pytest.mark.usefixtures("invariants")
@pytest.mark.fault(
    "F19", "SIGTERM of one of two API processes behind nginx, under submits, reads and long polls"
)
async def test_streams_bodies_and_a_process_that_goes(settings: Settings, tmp_path: Path) -> None:
    with ApiProcess(settings) as one, ApiProcess(settings) as two:
        await one.until_ready()
        await two.until_ready()
        async with (
            running_worker(settings, load_job_types()),
            nginx_before(tmp_path / "nginx", one.port, two.port) as api,
        ):
            await a_stream_comes_as_it_is_told(api)
            await bodies_go_through_whole(api)
            await nothing_is_lost_when_one_goes(api, one)


async def a_stream_comes_as_it_is_told(api: ClientSession) -> None:
    body = {"type": "sleep", "args": {"seconds": 1.5, "steps": 3}}
    async with api.post("/api/jobs", json=body) as response:
        job_id = (await response.json())["id"]
    seen = []
    async with asyncio.timeout(20), api.get(f"/api/jobs/{job_id}/events") as stream:
        async for event in events(stream):
            async with api.get(f"/api/jobs/{job_id}") as now:
                seen.append((event.name, (await now.json())["status"]))
    assert "running" in {status for _, status in seen}, seen  # an event came while the job still ran
    assert seen[-1][1] == "finished"


async def bodies_go_through_whole(api: ClientSession) -> None:
    sent = os.urandom(1 << 20) * 24
    async with api.post("/api/attachments?name=large.bin", data=io.BytesIO(sent)) as response:
        assert response.status == 201
        stored = await response.json()
    body = {"type": "echo", "attachment": {"id": stored["id"]}}
    async with api.post("/api/jobs", json=body) as response:
        job = await response.json()
        assert response.status == 201, job
    async with api.get(f"/api/jobs/{job['id']}/attachment") as response:
        assert hashlib.sha256(await response.read()).digest() == hashlib.sha256(sent).digest()
    async with api.get(f"/api/jobs/{job['id']}/attachment", headers={"Range": "bytes=100-299"}) as part:
        assert (part.status, await part.read()) == (206, sent[100:300])


async def nothing_is_lost_when_one_goes(api: ClientSession, one: ApiProcess) -> None:
    told: list[tuple[str, int]] = []
    stop = asyncio.Event()

    async def client(number: int) -> None:
        count = 0
        while not stop.is_set():
            count += 1
            headers = {"Idempotency-Key": f"{number}-{count}"}
            async with api.post("/api/jobs", json={"type": "echo"}, headers=headers) as made:
                told.append(("POST", made.status))
                job_id = (await made.json(content_type=None))["id"]
            async with api.get(f"/api/jobs/{job_id}") as read:
                told.append(("GET", read.status))
                await read.read()

    async with api.post("/api/jobs", json={"type": "sleep", "args": {"seconds": 20, "steps": 1}}) as response:
        slow = (await response.json())["id"]
    await until(api, slow, "running")

    async def waiting() -> int:
        async with api.get(f"/api/jobs/{slow}?wait=30") as response:
            return response.status

    async with asyncio.TaskGroup() as clients:
        polls = [clients.create_task(waiting()) for _ in range(10)]
        for number in range(10):
            clients.create_task(client(number))
        await asyncio.sleep(0.5)
        one.signal(signal.SIGTERM)
        assert await one.exit_code(20) == 0
        await asyncio.sleep(0.5)
        async with api.post(f"/api/jobs/{slow}/cancel") as response:
            assert response.status in (200, 202)
        stop.set()
    assert {poll.result() for poll in polls} == {200}
    assert {status for method, status in told if method == "POST"} == {201}
    assert {status for method, status in told if method == "GET"} == {200}
