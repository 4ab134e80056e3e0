"""What a request about jobs says of itself: which job, whose origin, how long it waits."""

import re
from uuid import UUID

from aiohttp import web
from asyncpg.pgproto import pgproto

from service.errors import NotFound
from service.jobs.core import CORE

LONGEST_WAIT = 60
_PREFER_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})\"?", re.IGNORECASE | re.ASCII)


def seconds_to_wait(request: web.Request, asked: int | None) -> int:
    """How long the client would wait: `?wait=`, or `Prefer: wait=` (RFC 7240), which is never an error."""
    if asked is not None:
        return asked
    prefer = request.headers.get("Prefer")
    found = _PREFER_WAIT.search(prefer) if prefer else None
    return min(int(found[1]), LONGEST_WAIT) if found else 0


def job_id_of(request: web.Request) -> UUID:
    """The id in the path; raises NotFound for what is no UUID."""
    try:
        return pgproto.UUID(request.match_info["id"])  # a UUID that costs an eighth
    except ValueError:
        raise NotFound("no such job") from None


def job_path(request: web.Request, job_id: UUID) -> str:
    """The path of a job, under the language of this request's path."""
    lang = request.match_info.get("lang")
    return f"/{lang}/api/jobs/{job_id}" if lang else f"/api/jobs/{job_id}"


def base_url(request: web.Request) -> str:
    """The origin of links: LAVORI_PUBLIC_URL, or the one that the client called."""
    return request.app[CORE].settings.public_url or f"{request.scheme}://{request.host}"
