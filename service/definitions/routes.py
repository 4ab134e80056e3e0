"""The API of definitions and schedules: load, one call, dump."""

from typing import Any

from aiohttp import web

from service.access.audit import origin_of
from service.access.middleware import entitled, principal_of
from service.access.principal import Permission
from service.definitions import control, fire_store, store
from service.definitions.preview import preview_of
from service.definitions.schemas import DefinitionsIn, FiresIn, PreviewIn
from service.definitions.view import definition_view
from service.errors import Fault, Invalid
from service.jobs.core import CORE
from service.jobs.listing import list_jobs
from service.jobs.routes import created
from service.jobs.submit import Submission, submit_job
from service.keys import POOL
from service.web.conditions import etag, is_known, required_versions
from service.web.payload import json_response, no_query, query, read_body, read_json

_DEFINITIONS_IN, _FIRES_IN, _PREVIEW_IN = DefinitionsIn(), FiresIn(), PreviewIn()


async def create(request: web.Request) -> web.Response:
    """POST /api/job-definitions: 201 and the definition."""
    no_query(request)
    core, principal = request.app[CORE], principal_of(request)
    code = await control.create(core, principal, await read_json(request), origin_of(request))
    lang = request.match_info.get("lang")
    path = f"/api/job-definitions/{code}"
    return await _whole(request, code, status=201, Location=f"/{lang}{path}" if lang else path)


async def list_(request: web.Request) -> web.Response:
    """GET /api/job-definitions: those that the caller may see, by code."""
    asked = query(request, _DEFINITIONS_IN)
    pool, principal, limit = request.app[POOL], principal_of(request), asked["limit"]
    wanted = (principal.tenant_id, control.reader_of(principal), asked["type"], asked["created_by"])
    rows = await store.page(pool, *wanted, after=asked["cursor"], limit=limit + 1)
    envelope: dict[str, Any] = {"job_definitions": [definition_view(row) for row in rows[:limit]]}
    if asked["count"]:
        envelope["count"] = await store.count(pool, *wanted)
    return _page(request, envelope, rows[limit - 1]["code"] if len(rows) > limit else None)


def _page(request: web.Request, envelope: dict[str, Any], cursor: object | None) -> web.Response:
    """A page that goes on behind `cursor`, or is the last one."""
    if cursor is None:
        return json_response(envelope)
    following = str(request.rel_url.update_query(cursor=str(cursor)))
    return json_response({**envelope, "next": following}, headers={"Link": f'<{following}>; rel="next"'})


async def read(request: web.Request) -> web.Response:
    """GET /api/job-definitions/{code}."""
    no_query(request)
    return await _whole(request, request.match_info["code"])


async def patch(request: web.Request) -> web.Response:
    """PATCH /api/job-definitions/{code}: JSON Merge Patch."""
    no_query(request)
    core, principal, code = request.app[CORE], principal_of(request), request.match_info["code"]
    body = await read_json(request)
    await control.modify(core, principal, code, body, required_versions(request), origin_of(request))
    return await _whole(request, code)


async def put(request: web.Request) -> web.Response:
    """PUT /api/job-definitions/{code}: all of it anew."""
    no_query(request)
    core, principal, code = request.app[CORE], principal_of(request), request.match_info["code"]
    body = await read_json(request)
    await control.replace(core, principal, code, body, required_versions(request), origin_of(request))
    return await _whole(request, code)


async def delete(request: web.Request) -> web.Response:
    """DELETE /api/job-definitions/{code}: 204; its jobs stay."""
    no_query(request)
    core, principal, code = request.app[CORE], principal_of(request), request.match_info["code"]
    await control.delete(core, principal, code, required_versions(request), origin_of(request))
    return web.Response(status=204)


async def execute(request: web.Request) -> web.Response:
    """POST /api/job-definitions/{code}/execute: 201 and the new job."""
    no_query(request)
    core = request.app[CORE]
    principal = entitled(request, Permission.JOBS_CREATE)
    code = request.match_info["code"]
    await control.visible(core, principal, code)
    body = await read_json(request) if request.can_read_body else {}
    if not isinstance(body, dict):
        raise Invalid([Fault("#", "must be a JSON object")])
    if named := [name for name in ("type", "definition") if name in body]:
        raise Invalid([Fault(f"#/{name}", "is the definition's to say") for name in named])
    submission = Submission(
        {**body, "definition": code}, request.headers.get("Idempotency-Key"), origin=origin_of(request)
    )
    return await created(request, await submit_job(core, principal, submission))


async def jobs(request: web.Request) -> web.Response:
    """GET /api/job-definitions/{code}/jobs: its jobs, as GET /api/jobs lists them."""
    core, code = request.app[CORE], request.match_info["code"]
    await control.visible(core, principal_of(request), code)
    return await list_jobs(request, definition=code)


async def fires(request: web.Request) -> web.Response:
    """GET /api/job-definitions/{code}/fires: what became of the times of its schedule, the latest first."""
    asked = query(request, _FIRES_IN)
    row = await control.visible(request.app[CORE], principal_of(request), request.match_info["code"])
    limit = asked["limit"]
    rows = await fire_store.page(request.app[POOL], row["id"], asked["outcome"], asked["cursor"], limit + 1)
    shown = [{name: value for name, value in one.items() if name != "id"} for one in rows[:limit]]
    return _page(request, {"fires": shown}, rows[limit - 1]["id"] if len(rows) > limit else None)


async def preview(request: web.Request) -> web.Response:
    """POST /api/schedules/preview: when a schedule would fire, and why then."""
    no_query(request)
    principal_of(request)
    asked = await read_body(request, _PREVIEW_IN)
    return json_response(await preview_of(request.app[POOL], asked))


async def _whole(request: web.Request, code: str, *, status: int = 200, **headers: str) -> web.Response:
    row = await control.visible(request.app[CORE], principal_of(request), code)
    tag = {"ETag": etag(row["version"])}
    if status == 200 and request.method in ("GET", "HEAD") and is_known(request, row["version"]):  # noqa: PLR2004
        return web.Response(status=304, headers=tag)
    return json_response(definition_view(row), status=status, headers={**tag, **headers})


routes = [
    web.post("/api/job-definitions", create),
    web.get("/api/job-definitions", list_),
    web.get("/api/job-definitions/{code}", read),
    web.patch("/api/job-definitions/{code}", patch),
    web.put("/api/job-definitions/{code}", put),
    web.delete("/api/job-definitions/{code}", delete),
    web.post("/api/job-definitions/{code}/execute", execute),
    web.get("/api/job-definitions/{code}/jobs", jobs),
    web.get("/api/job-definitions/{code}/fires", fires),
    web.post("/api/schedules/preview", preview),
]
