"""A long poll: read a job once it is what the client waits for.

First be in the hub, then read, then wait, so that no change falls between.
"""

import time
from collections.abc import Callable
from uuid import UUID

from aiohttp import web

from service.access.middleware import principal_of
from service.events.hub import HUB, Watcher
from service.jobs.core import CORE
from service.jobs.store import Heading

GONE_CHECK_SECONDS = 10.0


async def wait_for(
    request: web.Request, job_id: UUID, seconds: float, enough: Callable[[Heading], bool]
) -> Heading:
    """Read a job as soon as it is `enough`, or when the time is over, the client has left, or the server drains."""
    core, hub, principal = request.app[CORE], request.app[HUB], principal_of(request)
    heading = await core.reader.heading(principal, job_id)
    if enough(heading) or seconds <= 0 or hub.is_draining():
        return heading
    ends = time.monotonic() + seconds
    with hub.watch(principal.tenant_id, {job_id: 0}, await hub.cap_of(principal.tenant_id)) as watcher:
        while True:
            heading = await core.reader.heading(principal, job_id)
            watcher.known[job_id] = heading.version
            if enough(heading) or hub.is_draining() or not await woken(watcher, request, ends):
                return heading


async def woken(watcher: Watcher, request: web.Request, ends: float) -> bool:
    """Wait for a change; False when the time is over (`ends`, monotonic), or the client has left.

    aiohttp lets a handler run on when its client hangs up, so this looks from time to time; nothing is read for that.
    """
    while (left := ends - time.monotonic()) > 0:
        if await watcher.changed(min(left, GONE_CHECK_SECONDS)):
            return True
        if request.transport is None or request.transport.is_closing():
            break
    return False
