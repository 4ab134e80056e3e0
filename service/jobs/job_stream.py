"""GET /api/jobs/{id}/events: one job, its messages, and an end.

The `id:` of an event is the job's version: one sequence over its changes and its messages, kept in PostgreSQL; so a
stream goes on anywhere, in another process too, where the client says that it left off.
"""

from aiohttp import web
from marshmallow import Schema, fields, validate

from service.access.middleware import principal_of
from service.errors import NotFound
from service.events.hub import HUB, Watcher
from service.events.sse import EventStream, event, last_event_id
from service.jobs import store
from service.jobs.asked import base_url, job_id_of
from service.jobs.core import CORE
from service.jobs.states import TERMINAL
from service.jobs.telling import keep_telling
from service.web.encoding import dumps
from service.web.payload import query

MESSAGES_A_PAGE = 1_000


class EventsIn(Schema):
    """The query of an event stream of one job."""

    last_event_id = fields.Integer(load_default=None, validate=validate.Range(0, 10**18))


_EVENTS_IN = EventsIn()


async def job_events(request: web.Request) -> web.StreamResponse:
    """GET /api/jobs/{id}/events: the job at once and at each change, its messages, and an end."""
    core, hub, principal = request.app[CORE], request.app[HUB], principal_of(request)
    query(request, _EVENTS_IN)
    job_id = job_id_of(request)
    heading = await core.reader.heading(principal, job_id)
    seen = last_event_id(request)
    if seen is not None and heading.status in TERMINAL and seen >= heading.version:
        return web.Response(status=204)  # nothing more will come: a browser stops reconnecting
    if seen is not None and seen > heading.version:
        seen = None  # no number of this job's: it would wait for ever
    with hub.watch(principal.tenant_id, {job_id: 0}, principal.caps.waiters) as watcher:
        stream = EventStream(request)
        tell = _Telling(request, stream, watcher, seen or 0)
        return await keep_telling(request, stream, watcher, tell)


class _Telling:
    """How far a client has been told of its job."""

    def __init__(self, request: web.Request, stream: EventStream, watcher: Watcher, told: int) -> None:
        self._core, self._stream, self._watcher = request.app[CORE], stream, watcher
        self._request, self._base = request, base_url(request)
        self._job_id, self._told, self._first = job_id_of(request), told, True

    async def __call__(self) -> bool:
        """Tell what is new, if anything is; True when nothing will follow."""
        principal = principal_of(self._request)
        try:
            heading = await self._core.reader.heading(principal, self._job_id)
            if not self._first and heading.version <= self._told:
                return False
            shown = await self._core.reader.body(principal, heading, self._base)
        except NotFound:
            await self._stream.write(event("gone", dumps({"id": self._job_id})))
            return True
        at_once = self._first and not self._told and shown.status not in TERMINAL
        self._first = False
        await self._tell_messages(shown.version, event("job", shown.body) if at_once else b"")
        await self._stream.write(event("job", shown.body, shown.version))
        self._watcher.known[self._job_id] = self._told = shown.version
        return shown.status in TERMINAL

    async def _tell_messages(self, until: int, head: bytes) -> None:
        """Tell all messages below a version, if there are any: one that grew by one alone has brought none.

        Before them goes `head`, the whole job at once; it has no id, since they follow under theirs, which are older.
        """
        while self._told < until - 1:
            page = await store.messages_of(self._core.pool, self._job_id, self._told, None, MESSAGES_A_PAGE)
            lines = [event("message", dumps(dict(row)), row["seq"]) for row in page if row["seq"] < until]
            if not lines:
                return
            await self._stream.write(head + b"".join(lines))
            self._told, head = page[len(lines) - 1]["seq"], b""
