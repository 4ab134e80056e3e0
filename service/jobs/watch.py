"""Watching jobs: long polls, many at once, and event streams.

Everybody here waits in the hub (service/events/hub.py), and reads what woke them through the reader, together with
all others who were woken. The order is always the same: first be in the hub, then read, then wait, so that no
change falls between.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import orjson
from aiohttp import web
from marshmallow import Schema, fields, validate

from service.access.middleware import principal_of
from service.access.principal import Permission, Principal
from service.errors import Fault, Invalid, NotFound, TooLarge
from service.events.hub import HUB, Hub, TenantWatcher
from service.events.sse import PING, PING_SECONDS, RECONNECT_MS, EventStream, event, last_event_id
from service.jobs import store
from service.jobs.asked import LONGEST_WAIT, base_url, job_id_of
from service.jobs.core import CORE, Core
from service.jobs.schemas import MOST_IN_A_CALL
from service.jobs.states import TERMINAL, Status
from service.jobs.store import Heading
from service.jobs.waiting import woken
from service.keys import DRAINING, POOL, REDIS
from service.telemetry.metrics import METRICS
from service.web.encoding import dumps
from service.web.payload import json_response, no_query, query, read_body

MESSAGES_A_PAGE = 1_000
TENANT_BATCH = 500
CALM_SECONDS = (
    0.2  # a tenant's stream gathers changes this long, so that a busy job is sent five times a second at most
)

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


class EventsIn(Schema):
    """The query of an event stream of one job."""

    last_event_id = fields.Integer(load_default=None, validate=validate.Range(0, 10**18))


class TenantEventsIn(EventsIn):
    """The query of a tenant's event stream."""

    status = fields.List(fields.String(validate=validate.OneOf(list(Status))), load_default=None)
    type = fields.List(fields.String(), load_default=None)


_POLL_IN, _EVENTS_IN, _TENANT_EVENTS_IN = PollIn(), EventsIn(), TenantEventsIn()


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
        with hub.watch(principal.tenant_id, dict(known), await hub.cap_of(principal.tenant_id)) as watcher:
            while True:
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


async def job_events(request: web.Request) -> web.StreamResponse:
    """GET /api/jobs/{id}/events: the job at once and at each change, its messages, and an end."""
    core, hub, principal = request.app[CORE], request.app[HUB], principal_of(request)
    query(request, _EVENTS_IN)
    job_id = job_id_of(request)
    heading = await core.reader.heading(principal, job_id)
    seen = last_event_id(request)
    if seen is not None and heading.status in TERMINAL and seen >= heading.version:
        return web.Response(status=204)  # nothing more will come: a browser stops reconnecting
    with hub.watch(principal.tenant_id, {job_id: 0}, await hub.cap_of(principal.tenant_id)) as watcher:
        stream = await EventStream(request).open()
        try:
            await _tell_job(core, hub, request, stream, watcher.changed, watcher.known, seen)
        except (ConnectionError, TimeoutError):
            return stream.response  # the client has left, or reads too slowly
        return await stream.close()


async def _tell_job(
    core: Core,
    hub: Hub,
    request: web.Request,
    stream: EventStream,
    changed: Callable[[float], Any],
    known: dict[UUID, int],
    seen: int | None,
) -> None:
    principal, base = principal_of(request), base_url(request)
    job_id = job_id_of(request)
    told, first = seen or 0, True
    while True:
        try:
            heading = await core.reader.heading(principal, job_id)
        except NotFound:
            await stream.write(event("gone", dumps({"id": job_id})))
            return
        if first or heading.version > told:
            shown = await core.reader.body(principal, heading, base)
            version, body = shown.version, shown.body
            messages = await _messages(core, job_id, told, version)
            if first and messages:
                # The whole job at once; without an id, since older messages follow under theirs.
                await stream.write(event("job", body))
            await stream.write(b"".join(messages) + event("job", body, version))
            known[job_id] = told = max(told, version)
            first = False
            if orjson.loads(body)["status"] in TERMINAL:
                return
        if hub.is_draining():
            await stream.write(b"retry: %d\n: the server is draining\n\n" % (RECONNECT_MS // 4))
            return
        while not await changed(PING_SECONDS):
            await stream.write(PING)


async def _messages(core: Core, job_id: UUID, after: int, until: int) -> list[bytes]:
    """The events of all messages between two versions: a version that grew by one alone has brought none."""
    events: list[bytes] = []
    while after < until - 1:
        page = await store.messages_of(core.pool, job_id, after, None, MESSAGES_A_PAGE)
        events += [event("message", dumps(dict(row)), row["seq"]) for row in page if row["seq"] < until]
        if len(page) < MESSAGES_A_PAGE:
            break
        after = page[-1]["seq"]
    return events


async def tenant_events(request: web.Request) -> web.StreamResponse:
    """GET /api/events: the changes of all jobs that the caller may see; ids are the database's milliseconds."""
    core, hub, principal = request.app[CORE], request.app[HUB], principal_of(request)
    asked = query(request, _TENANT_EVENTS_IN)
    with hub.watch_tenant(principal.tenant_id, await hub.cap_of(principal.tenant_id)) as watcher:
        stream = await EventStream(request).open()
        try:
            await _tell_tenant(core, hub, request, stream, watcher, asked)
        except (ConnectionError, TimeoutError):
            return stream.response
        return await stream.close()


async def _tell_tenant(
    core: Core,
    hub: Hub,
    request: web.Request,
    stream: EventStream,
    watcher: TenantWatcher,
    asked: dict[str, Any],
) -> None:
    principal, base = principal_of(request), base_url(request)
    seen = last_event_id(request)
    until = await store.now_ms(core.pool)
    since = seen if seen is not None else until
    told: dict[UUID, int] = {}
    if seen is not None:
        watcher.overflowed = True  # what happened while nobody listened here
        watcher.wake()
    await stream.write(b": listening\nid: %d\n\n" % since)
    while True:
        if hub.is_draining():
            await stream.write(b"retry: %d\n: the server is draining\n\n" % (RECONNECT_MS // 4))
            return
        if not await watcher.changed(PING_SECONDS):
            await stream.write(PING)
            continue
        ids, watcher.ids = watcher.ids, set()
        overflowed, watcher.overflowed = watcher.overflowed, False
        until = await store.now_ms(core.pool)
        if overflowed:
            ids |= await store.changed_since(core.pool, principal.tenant_id, since)
        for start in range(0, len(ids), TENANT_BATCH):
            await _tell_batch(
                core, principal, stream, list(ids)[start : start + TENANT_BATCH], told, asked, base, until
            )
        since = until
        await asyncio.sleep(CALM_SECONDS)


async def _tell_batch(
    core: Core,
    principal: Principal,
    stream: EventStream,
    ids: list[UUID],
    told: dict[UUID, int],
    asked: dict[str, Any],
    base: str,
    until: int,
) -> None:
    headings = await core.reader.visible(principal, ids)
    fresh = [one for one in headings if told.get(one.id) != one.version]
    rows = [{"id": one.id, "version": one.version} for one in fresh]
    for body in await core.reader.bodies(principal.tenant_id, rows, base):
        job = orjson.loads(body)
        told[UUID(job["id"])] = job["version"]
        if (asked["status"] and job["status"] not in asked["status"]) or (
            asked["type"] and job["type"] not in asked["type"]
        ):
            continue
        await stream.write(event("job", body, until))
    there = {one.id for one in headings}
    for job_id in ids:
        was_told = told.pop(job_id, None) is not None if job_id not in there else False
        if job_id not in there and (was_told or principal.may(Permission.JOBS_READ_ALL)):
            await stream.write(event("gone", dumps({"id": job_id}), until))


VERSIONS = "SELECT id, version FROM jobs WHERE id = ANY ($1::uuid[])"
WAITER_CAP = "SELECT (caps ->> 'waiters')::int FROM tenants WHERE id = $1"


async def hub_of(app: web.Application) -> AsyncIterator[None]:
    """A `cleanup_ctx` of the application: the hub, which is drained as soon as the server is told to stop."""
    pool = app[POOL]

    async def versions(job_ids: list[UUID]) -> dict[UUID, int]:
        return {row["id"]: row["version"] for row in await pool.fetch(VERSIONS, job_ids)}

    async def cap(tenant_id: int) -> int | None:
        most: int | None = await pool.fetchval(WAITER_CAP, tenant_id)
        return most

    app[HUB] = hub = Hub(app[REDIS], versions, cap)
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
