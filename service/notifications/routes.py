"""Notices: who was told of what, how often it was tried, and telling it again."""

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
from aiohttp import web

from service.access.audit import origin_of, record
from service.access.listing import Page, list_response, page_in, page_of
from service.access.middleware import entitled, principal_of
from service.access.principal import Permission, Principal
from service.errors import Forbidden, NotFound
from service.jobs.asked import job_id_of
from service.jobs.core import CORE
from service.keys import POOL
from service.notifications import notices
from service.notifications.schemas import NoticesIn
from service.web.payload import json_response, no_query, query

_NOTICES_IN = NoticesIn()
_FILTERS = ("state", "kind", "job", "endpoint")


async def list_all(request: web.Request) -> web.Response:
    """GET /api/notices: the tenant's notices, newest first."""
    caller = entitled(request, Permission.JOBS_CONTROL_ALL)
    asked = query(request, _NOTICES_IN)
    page = page_in(asked, _number)
    wanted = {name: asked[name] for name in _FILTERS}
    return await _listed(request, caller, page, wanted, is_open=True)


async def list_of_job(request: web.Request) -> web.Response:
    """GET /api/jobs/{id}/notices: the notices of one job that the caller may read, newest first."""
    page = page_of(request, _number)
    job_id = job_id_of(request)
    caller = principal_of(request)
    heading = await request.app[CORE].reader.heading(caller, job_id)
    is_open = caller.may_control(heading.created_by, heading.shared_with)
    return await _listed(request, caller, page, {"job": [job_id]}, is_open=is_open)


async def _listed(
    request: web.Request, caller: Principal, page: Page[int], wanted: dict[str, Any], *, is_open: bool
) -> web.Response:
    rows = await notices.list_notices(
        request.app[POOL], caller.tenant_id, before=page.after, limit=page.limit + 1, **wanted
    )
    shown = [_shown(row, is_open=is_open) for row in rows]
    return list_response(request, page, "notices", shown, cursor="number")


async def read(request: web.Request) -> web.Response:
    """GET /api/notices/{id}: a notice with the log of its tries."""
    no_query(request)
    caller = principal_of(request)
    pool = request.app[POOL]
    row = await _visible(pool, caller, _notice_id(request))
    is_open = caller.may_control(row["job_created_by"], row["job_shared_with"])
    tries = await notices.tries_of(pool, row["id"])
    return json_response({**_shown(row, is_open=is_open), "log": [dict(one) for one in tries]})


async def redeliver(request: web.Request) -> web.Response:
    """POST /api/notices/{id}/redeliver: tell it again, under the same id, with a fresh round of tries."""
    no_query(request)
    caller = principal_of(request)
    notice_id = _notice_id(request)
    async with request.app[POOL].acquire() as connection, connection.transaction():
        row = await _visible(connection, caller, notice_id)
        if not caller.may_control(row["job_created_by"], row["job_shared_with"]):
            raise Forbidden("the notices of this job may be read, but not told again, by the caller")
        former = await notices.redeliver_unless_under_way(connection, caller.tenant_id, notice_id)
        changes = {"state": [former, "pending"]}
        await record(connection, caller, "redeliver", "notice", str(notice_id), changes, origin_of(request))
        now = await notices.read_notice(connection, caller.tenant_id, notice_id)
    assert now is not None  # noqa: S101 - the transaction holds it
    return json_response(_shown(now, is_open=True))


async def _visible(connection: Any, caller: Principal, notice_id: UUID) -> asyncpg.Record:
    """A notice of a job that the caller may read. Raises NotFound."""
    row = await notices.read_notice(connection, caller.tenant_id, notice_id)
    if row is None or not caller.may_read(row["job_created_by"], row["job_shared_with"]):
        raise NotFound("no such notice")
    return row


def _shown(row: asyncpg.Record, *, is_open: bool) -> dict[str, Any]:
    """A notice; the path of a webhook is for those who control the job alone, since it is often a secret."""
    shown = {
        name: value
        for name, value in row.items()
        if not name.startswith("job_created") and name != "job_shared_with"
    }
    if row["kind"] == "webhook" and not is_open:
        parts = urlsplit(row["target"])
        shown["target"] = f"{parts.scheme}://{parts.hostname}/***"
    return shown


def _number(text: str) -> int:
    number = int(text)
    if not 0 < number < 2**63:
        raise ValueError(text)
    return number


def _notice_id(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["id"])
    except ValueError:
        raise NotFound("no such notice") from None


routes: list[web.RouteDef] = [
    web.get("/api/notices", list_all),
    web.get("/api/notices/{id}", read),
    web.post("/api/notices/{id}/redeliver", redeliver),
    web.get("/api/jobs/{id}/notices", list_of_job),
]
