"""Watching jobs: many at once by long poll, and the hub that all who watch wait in.

Event streams are in job_stream.py and tenant_stream.py. Everybody waits in the hub (service/events/hub.py), and reads
what woke them through the reader, together with all others who were woken. The order is always the same: first be in
the hub, then read, then wait, so that no change falls between.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import orjson
from aiohttp import web
from marshmallow import Schema, fields, validate

from service.access.limits import WAITING
from service.access.middleware import principal_of
from service.access.principal import Principal
from service.errors import Fault, Invalid, TooLarge
from service.events.hub import HUB, Hub
from service.jobs.asked import LONGEST_WAIT, base_url
from service.jobs.core import CORE, Core
from service.jobs.job_stream import job_events
from service.jobs.schemas import MOST_IN_A_CALL
from service.jobs.store import Heading
from service.jobs.tenant_stream import tenant_events
from service.jobs.waiting import woken
from service.keys import DRAINING, POOL, REDIS
from service.telemetry.metrics import METRICS
from service.web.payload import json_response, no_query, read_body

_WAIT = validate.Range(0, LONGEST_WAIT)


class PairIn(Schema):
    """A job and the version of it that the caller has."""

    id = fields.String(required=True, metadata={"format": "uuid"})
    version = fields.Integer(strict=True, required=True, validate=validate.Range(0, 2**31 - 1))


class PollIn(Schema):
    """POST /api/jobs/poll."""

    jobs = fields.List(
        fields.Nested(PairIn), required=True, metadata={"json_schema": {"maxItems": MOST_IN_A_CALL}}
    )
    wait = fields.Integer(strict=True, load_default=0, validate=_WAIT)


_POLL_IN = PollIn()


async def poll(request: web.Request) -> web.Response:
    """POST /api/jobs/poll: those of up to 1,000 jobs that changed, at once or as soon as one does."""
    core, hub, principal = request.app[CORE], request.app[HUB], principal_of(request)
    no_query(request)
    asked = await read_body(request, _POLL_IN)
    if len(asked["jobs"]) > MOST_IN_A_CALL:
        raise TooLarge("the list of jobs", MOST_IN_A_CALL, "jobs")
    known = _known(asked["jobs"])
    found, gone = await _changed(core, principal, known)
    if known and not found and not gone and asked["wait"] and not hub.is_draining():
        ends = time.monotonic() + asked["wait"]
        with hub.watch(principal.tenant_id, dict(known), principal.caps.waiters) as watcher:
            while True:
                principal = principal_of(request)
                found, gone = await _changed(core, principal, known)
                if found or gone or hub.is_draining() or not await woken(watcher, request, ends):
                    break
    rows = [{"id": one.id, "version": one.version} for one in found]
    bodies = await core.reader.bodies(principal.tenant_id, rows, base_url(request))
    return json_response({"jobs": [orjson.Fragment(body) for body in bodies], "gone": gone})


def _known(pairs: list[dict[str, Any]]) -> dict[UUID, int]:
    known, faults = {}, []
    for index, pair in enumerate(pairs):
        try:
            known[UUID(pair["id"])] = pair["version"]
        except ValueError:
            faults.append(Fault(f"#/jobs/{index}/id", "is no UUID"))
    if faults:
        raise Invalid(faults)
    return known


async def _changed(
    core: Core, principal: Principal, known: dict[UUID, int]
) -> tuple[list[Heading], list[UUID]]:
    """Those at another version than the caller's, and those that are gone or were never to be seen."""
    headings = await core.reader.visible(principal, list(known))
    found = [one for one in headings if one.version != known[one.id]]
    there = {one.id for one in headings}
    return found, [job_id for job_id in known if job_id not in there]


VERSIONS = "SELECT id, version FROM jobs WHERE id = ANY ($1::uuid[])"


async def hub_of(app: web.Application) -> AsyncIterator[None]:
    """A `cleanup_ctx` of the application: the hub, which is drained as soon as the server is told to stop."""
    pool = app[POOL]

    async def versions(job_ids: list[UUID]) -> dict[UUID, int]:
        return {row["id"]: row["version"] for row in await pool.fetch(VERSIONS, job_ids)}

    app[HUB] = hub = Hub(app[REDIS], versions)
    app[WAITING].append(hub.waiting)
    waiters = app[METRICS].waiters
    waiters.labels("tenant").set_function(lambda: hub.tenant_waiters)
    waiters.labels("jobs").set_function(lambda: hub.waiters - hub.tenant_waiters)

    async def drain() -> None:
        await app[DRAINING].wait()
        hub.drain()

    tasks = {asyncio.create_task(hub.run()), asyncio.create_task(drain())}
    yield
    while tasks:  # a library that fails while it is cancelled may hide the cancellation once
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=1)


routes = [
    web.post("/api/jobs/poll", poll),
    web.get("/api/jobs/{id}/events", job_events, allow_head=False),  # a HEAD of a stream would never end
    web.get("/api/events", tenant_events, allow_head=False),
]
