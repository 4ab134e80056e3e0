"""A long poll: read a job once it is what the client waits for.

First be in the hub, then read, then wait, so that no change falls between.
"""

import time
from collections.abc import Callable
from uuid import UUID

from aiohttp import web

from service.access.middleware import identify, principal_of
from service.events.hub import HUB, Watcher
from service.events.sse import has_left
from service.jobs.core import CORE
from service.jobs.store import Heading


async def wait_for(
    request: web.Request, job_id: UUID, seconds: float, enough: Callable[[Heading], bool]
) -> Heading:
    """Read a job as soon as it is `enough`, or when the time is over, the client has left, or the server drains."""
    core, hub, principal = request.app[CORE], request.app[HUB], principal_of(request)
    heading = await core.reader.heading(principal, job_id)
    if enough(heading) or seconds <= 0 or hub.is_draining():
        return heading
    ends = time.monotonic() + seconds
    with hub.watch(principal.tenant_id, {job_id: 0}, principal.caps.waiters) as watcher:
        while True:
            heading = await core.reader.heading(principal_of(request), job_id)
            watcher.known[job_id] = heading.version
            if enough(heading) or hub.is_draining() or not await woken(watcher, request, ends):
                return heading


async def woken(watcher: Watcher, request: web.Request, ends: float) -> bool:
    """Wait for a change; False when the time is over (`ends`, monotonic), or the client has left.

    Raises Unauthenticated for a caller whose token has become worthless meanwhile.
    """

    def look() -> None:
        if has_left(request):
            watcher.wake()

    watcher.beat = look
    left = ends - time.monotonic()
    if left <= 0 or not await watcher.changed(left) or has_left(request):
        return False
    await identify(request)
    return True
