"""GET /d/{link}/{token}: everything about a link is looked at anew by each request, ranges too.

The token proves who was handed the address; the scope, on top of it, who may use it. What is found out goes from
the least to the most: without a right token nothing at all, then who is asking, and only then the link's state.
"""

from time import monotonic
from uuid import UUID

from aiohttp import web

from service.access.buckets import Bucket
from service.access.middleware import identify, open_to_all
from service.access.principal import Principal
from service.errors import Forbidden, Gone, LavoriError, NotFound, NotReady, RateLimited, Unauthenticated
from service.files import sharing
from service.files.conditions import decide
from service.files.content import etag_of, send
from service.files.keys import GUESSES, SIGNER, STORAGE
from service.files.sharing import OpenedLink
from service.files.store import StoredFile
from service.keys import POOL
from service.telemetry.metrics import METRICS

_SENDING = (200, 206)
GUESSES_A_MINUTE = 60


@open_to_all
async def download(request: web.Request) -> web.StreamResponse:
    """Send what the link leads to: the output it was made for, or the first one of the job's current run."""
    return await follow(request, await _link(request))


async def follow(request: web.Request, link: OpenedLink) -> web.StreamResponse:
    """Send what a link leads to, whose token was right. Raises Unauthenticated, Forbidden, NotFound, NotReady, Gone."""
    try:
        return await _follow(request, link)
    except LavoriError as error:
        request.app[METRICS].downloads(link.scope, error.code).inc()
        raise


async def _follow(request: web.Request, link: OpenedLink) -> web.StreamResponse:
    # A public link is the same for everyone: a token that is sent along is not even looked at.
    caller = None if link.scope == "public" else await _entitled(request, link)
    if link.revoked or link.expired:
        raise Gone("the link was revoked" if link.revoked else "the link has expired")
    file = _file(link)
    answer = decide(request.method, request.headers, etag_of(file), file.size)
    if request.method == "GET" and answer.status in _SENDING:
        await _count(request, link, caller, continuing=answer.start > 0)
    elif link.used_up:
        raise Gone(_USED_UP)
    return await send(request, request.app[STORAGE], file, answer)


async def _link(request: web.Request) -> OpenedLink:
    try:
        link_id = UUID(request.match_info["link"])
    except ValueError:
        raise NotFound(_UNKNOWN) from None
    if not request.app[SIGNER].verify(link_id, request.match_info["token"]):
        raise wrong_token(request)
    link = await sharing.link_by_id(request.app[POOL], link_id)
    if link is None:
        raise NotFound(_UNKNOWN)
    return link


def wrong_token(request: web.Request) -> LavoriError:
    """What is said of a wrong token: there is no such link, or, after many from one address, to wait a while.

    A right token is never held up, so nobody can lock others out.
    """
    ruling = request.app[GUESSES].take(
        (Bucket("guesses", request.remote or "", GUESSES_A_MINUTE),), monotonic()
    )
    if ruling.passes:
        return NotFound(_UNKNOWN)
    return RateLimited("too many wrong links from this address", ruling.retry_seconds)


async def _entitled(request: web.Request, link: OpenedLink) -> Principal:
    caller = await identify(request)
    if caller is None:
        raise Unauthenticated("this link needs a login")
    if caller.tenant_id != link.tenant_id:
        raise NotFound(_UNKNOWN)
    if link.scope == "private" and caller.name != link.job_created_by:
        raise Forbidden("this link is for the job's creator alone")
    return caller


def _file(link: OpenedLink) -> StoredFile:
    if link.file is not None:
        return link.file
    if link.job_ended:
        raise NotFound("the job has ended without an output file")
    raise NotReady("the job has not made its output yet")


async def _count(
    request: web.Request, link: OpenedLink, caller: Principal | None, *, continuing: bool
) -> None:
    pool, name = request.app[POOL], caller.name if caller else None
    downloads = request.app[METRICS].downloads
    if continuing and await sharing.continue_download_if_begun(pool, link.id, name, request.remote):
        downloads(link.scope, "continued").inc()
        return
    if not await sharing.count_download_if_live(pool, link.id, name, request.remote):
        raise Gone(_USED_UP)
    downloads(link.scope, "begun").inc()


_UNKNOWN = "no such link"
_USED_UP = "the link's downloads are used up"
