"""Worker processes as operators see them, and the order to one of them to drain.

The order is a row's `drain_requested_at`; the worker reads it with its next beat (workers/lease.py), or at once on a
hint. `draining` is the worker's own word, so it tells whether the order has been heard.
"""

from typing import Any

from aiohttp import web

from service.access.audit import origin_of, record
from service.access.middleware import entitled
from service.access.principal import Permission
from service.db.connection import Executor
from service.errors import NotFound
from service.jobs.core import CORE
from service.keys import POOL
from service.web.payload import json_response, no_query

WORKERS = """
SELECT id, tags, concurrency,
       (SELECT count(*) FROM jobs WHERE jobs.worker_id = workers.id AND status = 'running') AS running,
       version, started_at, beat_at, draining, drain_requested_at
FROM workers WHERE beat_at > now() - interval '15 seconds' AND ($1::text IS NULL OR id = $1) ORDER BY started_at, id
"""


async def live_workers(connection: Executor, worker_id: str | None = None) -> list[dict[str, Any]]:
    """The workers that are alive, oldest first; or the one of that id, if it is."""
    return [dict(row) for row in await connection.fetch(WORKERS, worker_id)]


async def list_(request: web.Request) -> web.Response:
    """GET /api/workers: the worker processes that are alive, oldest first."""
    no_query(request)
    return json_response({"workers": await live_workers(request.app[POOL])})


async def drain(request: web.Request) -> web.Response:
    """POST /api/workers/{id}/drain: 200 with the worker, which takes no more jobs from when it is `draining`."""
    return await _order(request, "drain")


async def resume(request: web.Request) -> web.Response:
    """POST /api/workers/{id}/resume: 200 with the worker, which takes jobs again unless it is about to end."""
    return await _order(request, "resume")


HOLD = """
SELECT drain_requested_at FROM workers WHERE id = $1 AND beat_at > now() - interval '15 seconds' FOR NO KEY UPDATE
"""

ORDER = """
UPDATE workers SET drain_requested_at = CASE WHEN $2::bool THEN coalesce(drain_requested_at, now()) END WHERE id = $1
"""


async def _order(request: web.Request, action: str) -> web.Response:
    no_query(request)
    caller = entitled(request, Permission.TENANTS)
    worker_id = request.match_info["id"]
    if "\0" in worker_id:
        raise NotFound("no such worker is alive")
    async with request.app[POOL].acquire() as connection, connection.transaction():
        before = await connection.fetchrow(HOLD, worker_id)
        if before is None:
            raise NotFound("no such worker is alive")
        await connection.execute(ORDER, worker_id, action == "drain")
        (worker,) = await live_workers(connection, worker_id)
        was, is_ = before["drain_requested_at"], worker["drain_requested_at"]
        changes = {"drain_requested_at": [was, is_]} if was != is_ else {}
        await record(connection, caller, action, "worker", worker_id, changes, origin_of(request))
    await request.app[CORE].dispatcher.order(worker_id)
    return json_response(worker)


routes = [
    web.get("/api/workers", list_),
    web.post("/api/workers/{id}/drain", drain),
    web.post("/api/workers/{id}/resume", resume),
]
