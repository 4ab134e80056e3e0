"""GET /api/events: the changes of all jobs of a tenant that the caller may see.

Jobs have versions, a tenant has none; so the `id:` of these events is the database's time in milliseconds, before which
everything is told. A stream that goes on from one tells each job that has changed since, in its last state.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection
from uuid import UUID

import orjson
from aiohttp import web
from marshmallow import fields, validate

from service.access.middleware import principal_of
from service.access.principal import Permission, Principal
from service.events.hub import HUB, TenantWatcher
from service.events.sse import EventStream, event, last_event_id
from service.jobs import store
from service.jobs.asked import base_url
from service.jobs.core import CORE
from service.jobs.job_stream import EventsIn
from service.jobs.states import Status
from service.jobs.telling import keep_telling
from service.web.encoding import dumps
from service.web.payload import query

TENANT_BATCH = 500
MOST_REMEMBERED = 10_000  # jobs that were told last; of others a version may be told twice
CALM_SECONDS = (
    0.2  # a tenant's stream gathers changes this long, so that a busy job is sent five times a second at most
)


class TenantEventsIn(EventsIn):
    """The query of a tenant's event stream."""

    status = fields.List(fields.String(validate=validate.OneOf(list(Status))), load_default=None)
    type = fields.List(fields.String(), load_default=None)


_TENANT_EVENTS_IN = TenantEventsIn()


async def tenant_events(request: web.Request) -> web.StreamResponse:
    """GET /api/events: the changes of all jobs that the caller may see; ids are the database's milliseconds."""
    core, hub, principal = request.app[CORE], request.app[HUB], principal_of(request)
    asked = query(request, _TENANT_EVENTS_IN)
    with hub.watch_tenant(principal.tenant_id, principal.caps.waiters) as watcher:
        now = await store.now_ms(core.pool)
        seen = last_event_id(request)
        watcher.overflowed = seen is not None  # what happened while nobody listened here
        stream = EventStream(request)
        since = now if seen is None else min(seen, now)
        tell = _Telling(request, stream, watcher, since, (asked["status"], asked["type"]))
        return await keep_telling(request, stream, watcher, tell)


Wanted = tuple[list[str] | None, list[str] | None]
"""The words of `?status=` and `?type=`."""


class _Telling:
    """Until when a client has been told of its tenant's jobs."""

    def __init__(
        self, request: web.Request, stream: EventStream, watcher: TenantWatcher, since: int, wanted: Wanted
    ) -> None:
        self._core, self._stream, self._watcher = request.app[CORE], stream, watcher
        self._request, self._base = request, base_url(request)
        self._since, (self._statuses, self._types) = since, wanted
        self._told: OrderedDict[UUID, int] = OrderedDict()

    async def __call__(self) -> bool:
        """Tell of the jobs that have changed since; False: there may always be more."""
        watcher = self._watcher
        ids, watcher.ids = watcher.ids, set()
        overflowed, watcher.overflowed = watcher.overflowed, False
        try:
            until = await store.now_ms(self._core.pool)
            await self._tell(list(ids))
            if overflowed:
                await self._tell_changed_since(self._since)
        except BaseException:
            watcher.overflowed = True  # for when PostgreSQL is back
            raise
        self._since = until
        # Not before: a client that is cut off in the middle shall begin again where this began.
        await self._stream.write(b": told\nid: %d\n\n" % until)
        await asyncio.sleep(CALM_SECONDS)
        return False

    async def _tell_changed_since(self, since: int) -> None:
        tenant_id, after = principal_of(self._request).tenant_id, None
        while page := await store.changed_since(self._core.pool, tenant_id, since, after):
            await self._tell(page)
            after = page[-1]

    async def _tell(self, ids: list[UUID]) -> None:
        for start in range(0, len(ids), TENANT_BATCH):
            await self._tell_batch(ids[start : start + TENANT_BATCH])

    async def _tell_batch(self, ids: list[UUID]) -> None:
        reader, principal = self._core.reader, principal_of(self._request)
        headings = await reader.visible(principal, ids)
        rows = [
            {"id": one.id, "version": one.version}
            for one in headings
            if self._told.get(one.id) != one.version and (self._types is None or one.type in self._types)
        ]
        bodies = await reader.bodies_by_id(principal.tenant_id, rows, self._base)
        for job_id, body in bodies.items():
            job = orjson.loads(body)
            self._remember(job_id, job["version"])
            if self._statuses is None or job["status"] in self._statuses:
                await self._stream.write(event("job", body, self._since))
        there = {one.id for one in headings}
        for job_id in await self._gone(principal, [job_id for job_id in ids if job_id not in there]):
            self._told.pop(job_id, None)
            await self._stream.write(event("gone", dumps({"id": job_id}), self._since))

    async def _gone(self, principal: Principal, missing: list[UUID]) -> Collection[UUID]:
        """Those that there were for this caller; of the others nothing is said, not even that there are none."""
        if principal.may(Permission.JOBS_READ_ALL):
            return missing
        strange = [job_id for job_id in missing if job_id not in self._told]
        if not strange:
            return missing
        deleted = await store.deleted_of(
            self._core.pool, principal.tenant_id, principal.name, strange, self._since
        )
        return [job_id for job_id in missing if job_id in self._told or job_id in deleted]

    def _remember(self, job_id: UUID, version: int) -> None:
        self._told[job_id] = version
        self._told.move_to_end(job_id)
        if len(self._told) > MOST_REMEMBERED:
            self._told.popitem(last=False)
