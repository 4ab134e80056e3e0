"""One of two API processes behind nginx is told to stop, while many ask, watch and wait."""

import asyncio
import re
import signal
from collections import Counter
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from aiohttp import ClientSession, ClientTimeout, TCPConnector

from api_process import ApiProcess, Event, follow
from asking import ask
from configured import ADMIN_KEY
from fault_lab.debian import debian_program
from fault_lab.load import Clients, Tenant
from fault_lab.system import running_system
from reverse_proxy import nginx
from service.jobs.states import TERMINAL
from service.settings import Settings

WATCHED, LINES, SECONDS = 20, 30, 10
LOAD_SECONDS = 6.0
SUBMITS_AMONG = 5  # each fifth request is a submit, the others read


STEADY = """
local sent = 0
local headers = {["Content-Type"] = "application/json", ["Authorization"] = "Bearer %(key)s"}
function delay() return %(pause)d end
function request()
  sent = sent + 1
  if sent %% %(among)d ~= 0 then return wrk.format("GET", "%(path)s", headers) end
  headers["Idempotency-Key"] = "load" .. sent
  return wrk.format("POST", "/api/jobs", headers, '{"type": "echo", "args": {"n": ' .. sent .. '}}')
end
created, others = 0, 0
function response(status)
  if status == 201 then created = created + 1 elseif status ~= 200 then others = others + 1 end
end
local only
function setup(thread) only = thread end
function done() print(only:get("created") .. " created, " .. only:get("others") .. " others") end
"""
CREATED = "SELECT count(*) FROM job_requests WHERE idempotency_key LIKE 'load%'"
PAUSE_MS = 100


async def load(url: str, folder: Path, rate: int, job_id: UUID) -> str:
    """At least so many requests a second from a process of its own; answers what it says of them."""
    wrk = debian_program("wrk")
    script = folder / "steady.lua"
    script.write_text(
        STEADY % {"key": ADMIN_KEY, "pause": PAUSE_MS, "among": SUBMITS_AMONG, "path": f"/api/jobs/{job_id}"}
    )
    at_once = 2 * rate * PAUSE_MS // 1000  # twice as many as if answers took no time
    words = ["-t1", f"-c{at_once}", f"-d{LOAD_SECONDS:.0f}s", "-s", str(script), url]
    running = await asyncio.create_subprocess_exec(
        wrk.path, *words, env=wrk.environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    told = (await running.communicate())[0].decode()
    made = re.search(r"(\d+) requests in", told)
    assert made is not None, told
    assert int(made[1]) >= rate * LOAD_SECONDS, told
    return told


async def poll(api: ClientSession, job_id: UUID) -> list[int]:
    """Wait for the job's end, as often as it takes; answers the statuses."""
    found = []
    while True:
        answer = await ask(api, "GET", f"/api/jobs/{job_id}?wait=60")
        found.append(answer.status)
        if answer.status != 200 or answer.body["status"] in TERMINAL:
            return found


def is_end(event: Event) -> bool:
    return event.name == "job" and event.data["status"] in TERMINAL


@pytest.mark.fault(
    "F19",
    "SIGTERM of one of two API processes behind nginx, under {rate} requests a second, {streams} SSE streams and"
    " {polls} long polls",
    rate=(50, 500),
    streams=(20, 200),
    polls=(10, 100),
)
async def test_who_asks_watches_or_waits_does_not_notice_that_one_of_two_is_told_to_stop(
    settings: Settings, pool: asyncpg.Pool, tmp_path: Path, rate: int, streams: int, polls: int
) -> None:
    async with (
        running_system(settings, pool, apis=2, workers=2, supervised=False) as system,
        nginx(tmp_path / "nginx", *(api.port for api in system.apis)) as url,
        Clients([url], system.history, Tenant(1, ADMIN_KEY)) as clients,
        ClientSession(
            url,
            headers={"Authorization": f"Bearer {ADMIN_KEY}"},
            connector=TCPConnector(limit=0),
            timeout=ClientTimeout(total=90),
        ) as api,
    ):
        body = {"type": "lines", "args": {"count": LINES, "seconds": SECONDS}}
        watched = await clients.submit_many(WATCHED, body, name="watched")
        told: list[list[Event]] = [[] for _ in range(streams)]
        async with asyncio.TaskGroup() as group:
            watching = [
                group.create_task(follow(api, f"/api/jobs/{watched[n % WATCHED]}/events", is_end, told[n]))
                for n in range(streams)
            ]
            polling = [group.create_task(poll(api, watched[n % WATCHED])) for n in range(polls)]
            async with asyncio.timeout(10):
                while not all(told):
                    await asyncio.sleep(0.02)
            loading = group.create_task(load(url, tmp_path, rate, watched[0]))
            await asyncio.sleep(LOAD_SECONDS / 3)
            assert not any(one.done() for one in (*watching, *polling, loading))
            system.apis[0].signal(signal.SIGTERM)
            assert await system.apis[0].exit_code(20) == 0, system.apis[0].said
        told_of = re.search(r"(\d+) created, 0 others", loading.result())
        assert told_of is not None, loading.result()
        assert await pool.fetchval(CREATED) >= int(told_of[1]) > 0, "every 201 has its row"
        assert "Socket errors" not in loading.result(), loading.result()
        assert [one.result() for one in watching] == [0] * streams
        answers = [one.result() for one in polling]
        assert {status for one in answers for status in one} == {200}
        assert sum(len(one) > 1 for one in answers) > polls // 4, "nobody waited at the one that stopped"
        for of_job in told:
            texts = [event.data["text"] for event in of_job if event.name == "message"]
            assert texts == [f"line {n}" for n in range(LINES)]
            versions = [event.data["version"] for event in of_job if event.name == "job"]
            assert versions == sorted(versions)
        await system.check()


@pytest.mark.fault(
    "F19",
    "SIGTERM of an API process, {stops} times, under {clients} clients that connect anew for each request",
    stops=(1, 20),
    clients=(64, 256),
)
async def test_whom_it_let_in_is_answered(settings: Settings, stops: int, clients: int) -> None:
    asked = b"GET /livez HTTP/1.1\r\nHost: lavori\r\n\r\n"
    told: Counter[bytes] = Counter()

    async def client(port: int) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                return
            writer.write(asked)
            try:
                told[await reader.readline()] += 1
            finally:
                writer.close()

    with ApiProcess(settings) as api:
        for _ in range(stops):
            await api.until_ready()
            async with asyncio.timeout(30), asyncio.TaskGroup() as group:
                for _ in range(clients):
                    group.create_task(client(api.port))
                await asyncio.sleep(0.3)
                api.signal(signal.SIGTERM)
                assert await api.exit_code(20) == 0
            api.start_again_if_ended()
    assert set(told) == {b"HTTP/1.1 200 OK\r\n"}
