"""What else a user could pick, beside us: the same request to each, on the same servers, in turns.

A turn starts one peer with an empty database and an empty Redis, web processes as many as this machine has processors
and one worker, and ends it again, so that nobody's idle processes are in another's way. In it:

- idle latency: from the POST of a single job until its GET says that it is done, asked every 2 ms, with a pause before
- end to end: 2,000 jobs over 64 connections, until the peer's own store has all of them as done
- status: GET of those jobs, over 64 connections
- submit: POST over 64 connections, while the worker works

No peer knows tenants, tokens, idempotency, progress, retries that survive or history; we do all of it meanwhile.
"""

import argparse
import asyncio
import http.client
import os
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import orjson
from redis.asyncio import Redis

from benchmarks import wrk
from benchmarks.figures import Figure, ratio
from benchmarks.peers.catalogue import PEERS, Absent, Command, Peer, Stores, program
from benchmarks.peers.installed import CACHE, PYTHON_FOLDER
from benchmarks.request import JOB
from benchmarks.system import KEY, answering, process, settings_of
from service.db.migrate import migrate
from service.dev.embedded import Servers, embedded_servers
from service.dev.ports import free_port

JOBS, ALONE, PAUSE_SECONDS, ASK_SECONDS, END_SECONDS = 2_000, 25, 0.05, 0.002, 120
BODY = orjson.dumps(JOB)
HEADERS = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
UNITS = {"submit": "requests/s", "status": "requests/s", "end to end": "jobs/s", "idle latency p50": "ms"}
AHEAD = tuple(column for column in UNITS if column != "idle latency p50")


class Broken(Exception):
    """A turn of a peer came to nothing: a job of its was lost, or a request refused."""


Turn = Mapping[str, float]
"""A value a column; empty for a turn that broke."""


@dataclass(slots=True)
class Found:
    """A peer's turns, or why it is absent; `broken` says why one of its turns is left out."""

    peer: Peer
    turns: list[Turn] = field(default_factory=list)
    absent: str = ""
    broken: str = ""

    def figure(self, column: str, turns: Sequence[Turn] | None = None) -> Figure:
        """One column, of all turns that did not break or of those that are given."""
        values = [turn[column] for turn in (self.turns if turns is None else turns) if turn]
        return Figure(f"{self.peer.name}: {column}", UNITS[column], values, note=self.absent or self.broken)


async def measure(asked: argparse.Namespace) -> list[Figure]:
    """All peers in turns, as many rounds as asked for; a ratio is of the turns of the same round."""
    found = [Found(peer) for peer in PEERS if asked.only.lower() in peer.name.lower() or peer is PEERS[0]]
    for _ in range(asked.runs):
        for one in found:
            if not one.absent:
                try:
                    one.turns.append(await _turn(one.peer, asked.seconds))
                except Absent as reason:
                    one.absent = str(reason)
                except Broken as reason:
                    if one.peer is PEERS[0]:
                        raise SystemExit(str(reason)) from None
                    one.turns.append({})
                    one.broken = f"a turn is left out: {reason}"
    figures = [one.figure(column) for one in found for column in UNITS]
    us, *others = found
    for other in others:
        # Not strict: one that is absent may have had its first rounds.
        rounds = [(ours, theirs) for ours, theirs in zip(us.turns, other.turns, strict=False) if theirs]
        if rounds:
            ours, theirs = zip(*rounds, strict=True)
            figures += [ratio(us.figure(column, ours), other.figure(column, theirs), 1) for column in AHEAD]
            column = "idle latency p50"
            figures.append(ratio(other.figure(column, theirs), us.figure(column, ours), 1))
    return figures


async def _turn(peer: Peer, seconds: int) -> Turn:
    values: dict[str, float] = {}
    async with _running(peer) as (url, stores, folder):
        values["idle latency p50"] = await asyncio.to_thread(_idle_latency, peer, url)
        post = wrk.Asked(url, [peer.path], folder, "POST", BODY, KEY)
        before = await peer.finished(stores, [])
        began = time.perf_counter()
        ids = await wrk.submit(post, JOBS, peer.ready)
        while (done := await peer.finished(stores, ids) - before) < JOBS:
            if time.perf_counter() - began > END_SECONDS:
                raise Broken(f"{JOBS - done} of {JOBS} jobs were not done after {END_SECONDS} s")
            await asyncio.sleep(0.02)
        values["end to end"] = JOBS / (time.perf_counter() - began)
        read = wrk.Asked(url, [f"{peer.path}/{job_id}" for job_id in ids], folder, key=KEY)
        for column, what in (("status", read), ("submit", post)):
            await wrk.load(what, 1)
            got = await wrk.load(what, seconds)
            if got.refused:
                raise Broken(f"{got.refused} of {got.made} requests were refused")
            if not got.made:
                raise Broken(f"no {column} was answered")
            values[column] = got.rate
    return values


@asynccontextmanager
async def _running(peer: Peer) -> AsyncIterator[tuple[str, Stores, Path]]:
    """The peer with servers of its own, ready and past its first job."""
    runs, web, worker, setup = await program(peer)
    with tempfile.TemporaryDirectory(prefix="lavori-bench-") as name:
        folder = Path(name)
        async with embedded_servers(folder) as servers, AsyncExitStack() as stack:
            database = await asyncpg.connect(servers.database_url)
            stack.push_async_callback(database.close)
            redis = Redis.from_url(servers.redis_url)
            stack.push_async_callback(redis.aclose)
            processes = min(2, os.cpu_count() or 1)
            environ, port = _environ(servers, folder, processes)
            words = {"port": str(port), "processes": str(processes)}
            if peer.tables:
                await database.execute(peer.tables)
            if setup:
                async with process(environ, *setup, program=runs, name="setup", ends=True):
                    pass
            if peer.installed is None:
                await migrate(servers.database_url)
            for number in range(processes if peer.installed is None else 1):
                await stack.enter_async_context(
                    process(environ, *_filled(web, words), program=runs, name=f"web{number}")
                )
            url = f"http://127.0.0.1:{port}"
            await answering(url + peer.ready)
            await stack.enter_async_context(
                process(environ, *_filled(worker, words), program=runs, name="worker")
            )
            await asyncio.to_thread(_one, peer, _connected(url))
            yield url, Stores(database, redis), folder


def _filled(command: Command, words: dict[str, str]) -> Command:
    return tuple(word.format(**words) for word in command)


def _environ(servers: Servers, folder: Path, processes: int) -> tuple[dict[str, str], int]:
    port = free_port(f"{folder} peer")
    return {
        **settings_of(servers, folder, port),
        "LAVORI_API_PROCESSES": str(processes),
        "WEB_PROCESSES": str(processes),
        "NODE_PATH": str(CACHE / "node" / "node_modules"),
        "NODE_ENV": "production",
        "PYTHONPATH": str(PYTHON_FOLDER),
    }, port


def _connected(url: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)


def _one(peer: Peer, connection: http.client.HTTPConnection) -> float:
    """Seconds from the POST of one job until its GET says that it is done."""
    began = time.perf_counter()
    connection.request("POST", peer.path, BODY, HEADERS)
    made = orjson.loads(connection.getresponse().read())
    while time.perf_counter() - began < 60:
        connection.request("GET", f"{peer.path}/{made['id']}", headers=HEADERS)
        response = connection.getresponse()
        said = orjson.loads(response.read())
        if response.status == 200 and said["status"] == peer.done:
            return time.perf_counter() - began
        time.sleep(ASK_SECONDS)
    raise Broken(f"a job was not done within a minute, but {said['status']}")


def _idle_latency(peer: Peer, url: str) -> float:
    connection, taken = _connected(url), []
    for _ in range(ALONE):
        time.sleep(PAUSE_SECONDS * (1 + random.random()))
        taken.append(1_000 * _one(peer, connection))
    connection.close()
    return statistics.median(taken)
