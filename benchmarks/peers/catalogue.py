"""The peers: what runs each, and how to tell that a job is done, over HTTP and in its own store."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import asyncpg
from redis.asyncio import Redis

from benchmarks.peers.installed import CACHE, NODE_FOLDER, PYTHON_FOLDER, Absent, node, python

JOBS_TABLE = """
CREATE TABLE jobs (id uuid PRIMARY KEY, job json NOT NULL, status text NOT NULL DEFAULT 'pending', output json,
                   created_at timestamptz NOT NULL DEFAULT now())
"""


@dataclass(frozen=True, slots=True)
class Stores:
    """Where the jobs are, for counting."""

    database: asyncpg.Connection
    redis: Redis


Command = tuple[str, ...]
Count = Callable[[Stores, Sequence[str]], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Peer:
    """One way to run jobs behind HTTP. Commands may hold `{port}` and `{processes}`.

    `finished` counts in the peer's own store, so that asking costs little: all that are done, or (`Redis` keys by id)
    those among the given ids.
    """

    name: str
    kept_in: str
    done: str
    finished: Count
    installed: Callable[[], Awaitable[str]] | None = None
    web: Command = ()
    worker: Command = ()
    setup: Command | None = None
    tables: str | None = None
    path: str = "/jobs"
    ready: str = "/health"
    environ: dict[str, str] = field(default_factory=dict)


def rows(statement: str) -> Count:
    """Count with a statement."""

    async def count(stores: Stores, _: Sequence[str]) -> int:
        found: int = await stores.database.fetchval(statement)
        return found

    return count


async def bullmq_finished(stores: Stores, _: Sequence[str]) -> int:
    """BullMQ keeps the ids of what is done in a sorted set."""
    return int(await stores.redis.zcard("bull:jobs:completed"))


async def arq_finished(stores: Stores, ids: Sequence[str]) -> int:
    """A result is a key of its own."""
    return int(await stores.redis.exists(*(f"arq:result:{one}" for one in ids))) if ids else 0


async def saq_finished(stores: Stores, ids: Sequence[str]) -> int:
    """A job is a JSON text."""
    keys = [f"saq:job:default:{one.rpartition(':')[2]}" for one in ids]
    found = await stores.redis.mget(keys) if ids else []
    return sum(b'"complete"' in one for one in found if one)


async def celery_finished(stores: Stores, ids: Sequence[str]) -> int:
    """A result is a JSON text."""
    found = await stores.redis.mget([f"celery-task-meta-{one}" for one in ids]) if ids else []
    return sum(b'"SUCCESS"' in one for one in found if one)


def _uvicorn(module: str) -> Command:
    where = ("--app-dir", str(PYTHON_FOLDER), "--host", "127.0.0.1", "--port", "{port}")
    quiet = ("--no-access-log", "--log-level", "warning")
    return ("-m", "uvicorn", f"{module}:app", "--workers", "{processes}", *where, *quiet)


def _script(name: str, part: str) -> Command:
    return (str(NODE_FOLDER / name), part)


_GRAPHILE = str(CACHE / "node" / "node_modules" / "graphile-worker" / "dist" / "cli.js")
PEERS = (
    Peer(
        "Lavori", "PostgreSQL", "finished",
        rows("SELECT coalesce(sum(jobs), 0)::bigint FROM job_tallies WHERE status = 'finished'"),
        path="/api/jobs", ready="/readyz",
    ),
    Peer(
        "Fastify + BullMQ", "Redis", "completed", bullmq_finished, node,
        _script("bullmq.js", "web"), _script("bullmq.js", "worker"),
    ),
    Peer(
        "Fastify + Graphile Worker", "PostgreSQL", "finished",
        rows("SELECT count(*) FROM jobs WHERE status = 'finished'"), node,
        _script("graphile.js", "web"), _script("graphile.js", "worker"),
        setup=(_GRAPHILE, "--schema-only"), tables=JOBS_TABLE,
    ),
    Peer(
        "FastAPI + SAQ", "Redis", "complete", saq_finished, python,
        _uvicorn("saq_jobs"), ("-m", "saq", "saq_jobs.settings", "--quiet"),
    ),
    Peer(
        "FastAPI + Procrastinate", "PostgreSQL", "succeeded",
        rows("SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"), python,
        _uvicorn("procrastinate_jobs"),
        ("-m", "procrastinate", "--app=procrastinate_jobs.tasks", "worker", "--concurrency=20"),
        setup=("-m", "procrastinate", "--app=procrastinate_jobs.tasks", "schema", "--apply"),
    ),
    Peer(
        "FastAPI + Celery", "PostgreSQL and Redis", "SUCCESS", celery_finished, python,
        _uvicorn("celery_jobs"),
        ("-m", "celery", "--app=celery_jobs.tasks", "worker", "--concurrency={processes}", "--loglevel=WARNING"),
        tables=JOBS_TABLE,
    ),
    Peer(
        "FastAPI + arq", "Redis", "complete", arq_finished, python,
        _uvicorn("arq_jobs"), ("-m", "arq", "arq_jobs.WorkerSettings"),
    ),
)  # fmt: skip


async def program(peer: Peer) -> tuple[str, Command, Command, Command | None]:
    """What to run, with the words for web, worker and setup. Raises Absent."""
    if peer.installed is None:
        return sys.executable, ("-m", "service", "serve"), ("-m", "service", "worker"), None
    return await peer.installed(), peer.web, peer.worker, peer.setup


__all__ = ["PEERS", "Absent", "Command", "Peer", "Stores", "program"]
