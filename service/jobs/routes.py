"""The native API of jobs: load, one call, dump."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import orjson
from aiohttp import web

from service.access.audit import Origin, origin_of
from service.access.middleware import entitled, principal_of
from service.access.principal import Permission, Principal
from service.errors import LavoriError, TooLarge, Unavailable
from service.files.room import room_for
from service.files.upload import kept_unless_refused, receive_multipart
from service.jobs import control, store
from service.jobs.asked import base_url, job_id_of, job_path, seconds_to_wait
from service.jobs.check import key_of
from service.jobs.core import CORE, Core
from service.jobs.modify import modify, replace
from service.jobs.pace import PACE
from service.jobs.reader import Rendered
from service.jobs.rerun import rerun_as_new, rerun_job
from service.jobs.schemas import MOST_IN_A_CALL, MessagesIn, ReadIn, RerunIn
from service.jobs.selection import INCLUDED, only, with_included
from service.jobs.states import TERMINAL
from service.jobs.store import Heading
from service.jobs.submit import Submission, Submitted, submit_job
from service.jobs.submit_many import submit_many
from service.jobs.waiting import wait_for
from service.web.conditions import etag, is_known, required_versions
from service.web.encoding import fragment
from service.web.middleware import is_unreachable, problem
from service.web.payload import (
    JSON,
    json_response,
    no_query,
    parse_json,
    query,
    read_array,
    read_body,
    read_json,
    refuse_nuls,
)

_READ_IN, _MESSAGES_IN, _RERUN_IN = ReadIn(), MessagesIn(), RerunIn()


async def create(request: web.Request) -> web.Response:
    """POST /api/jobs: 201 and the whole job; 200 when its idempotency key was known."""
    no_query(request)
    return await created(request, await submit(request))


async def submit(request: web.Request, known: Callable[[Any], Any] = lambda body: body) -> Submitted:
    """Submit the job that the body tells of, or that of a form; `known` makes of it a body of the native API."""
    core = request.app[CORE]
    principal = entitled(request, Permission.JOBS_CREATE)
    key, origin = request.headers.get("Idempotency-Key"), origin_of(request)
    if request.content_type != "multipart/form-data":
        body = known(await read_json(request))
        return await submit_job(core, principal, Submission(body, key, origin=origin))
    settings = core.settings
    form = await receive_multipart(
        request,
        core.storage,
        max_json_body=settings.max_json_body,
        max_attachment=settings.max_attachment,
        room=await room_for(core.pool, principal),
    )
    async with kept_unless_refused(core.storage, form.file):
        body = known(parse_json(form.job))
        return await submit_job(core, principal, Submission(body, key, form.file, origin=origin))


async def created(request: web.Request, submitted: Submitted) -> web.Response:
    """The answer to a submission: 201 and the job, or 200 when its idempotency key was known."""
    core = request.app[CORE]
    headers = {"Location": job_path(request, submitted.row["id"])}
    if submitted.replayed:
        headers["Idempotency-Replayed"] = "true"
    shown = core.reader.render(submitted.row, base_url(request))
    if shown.status not in TERMINAL and (seconds := seconds_to_wait(request, None)):
        heading = await wait_for(request, submitted.row["id"], seconds, lambda one: one.status in TERMINAL)
        shown = await core.reader.body(principal_of(request), heading, base_url(request))
        headers["Preference-Applied"] = f"wait={seconds}"
    return _shown(request, shown, status=200 if submitted.replayed else 201, headers=headers)


async def create_many(request: web.Request) -> web.Response:
    """POST /api/jobs/batch: up to 1,000 jobs; 207 with what became of each.

    An `Idempotency-Key` of the whole stands for one of each item that has none of its own: that of its place.
    """
    no_query(request)
    core = request.app[CORE]
    principal = entitled(request, Permission.JOBS_CREATE)
    items, may_hold_nul = await read_array(request)
    if len(items) > MOST_IN_A_CALL:
        raise TooLarge("the batch", MOST_IN_A_CALL, "jobs")
    key = key_of(None, request.headers.get("Idempotency-Key"))
    base, origin = base_url(request), origin_of(request)
    told: dict[int, dict[str, Any]] = {}
    wanted: dict[int, Submission] = {}
    for place, item in enumerate(items):
        try:
            if may_hold_nul:
                refuse_nuls(item)
        except LavoriError as error:
            told[place] = {"status": error.status, "problem": problem(error)}
            continue
        has_own = isinstance(item, dict) and item.get("idempotency_key") is not None
        wanted[place] = (
            Submission(item, origin=origin)
            if key is None or has_own
            else Submission(item, key, scope=f"batch {place}", origin=origin)
        )
    ended = await submit_many(core, principal, list(wanted.values()))
    for place, submitted in zip(wanted, ended, strict=True):
        told[place] = _told_of(core, submitted, base)
    results = [told[place] for place in range(len(items))]
    if results and all(result["status"] == Unavailable.status for result in results):
        raise Unavailable("the database can't be reached at the moment")
    return json_response(results, status=207)


def _told_of(core: Core, submitted: Submitted | Exception, base: str) -> dict[str, Any]:
    """What a batch's answer says of one of its items; raises what nobody has foreseen."""
    if isinstance(submitted, Submitted):
        job = orjson.Fragment(core.reader.render(submitted.row, base).body)
        return {"status": 200 if submitted.replayed else 201, "job": job}
    if not isinstance(submitted, LavoriError):
        if not is_unreachable(submitted):
            raise submitted
        submitted = Unavailable("the database can't be reached at the moment")
    return {"status": submitted.status, "problem": problem(submitted)}


async def read(request: web.Request) -> web.Response:
    """GET /api/jobs/{id}."""
    core = request.app[CORE]
    principal = principal_of(request)
    asked = query(request, _READ_IN) if request.query_string else None
    in_query = asked["wait"] if asked else None
    seconds = seconds_to_wait(request, in_query)
    granted = {"Preference-Applied": f"wait={seconds}"} if seconds and in_query is None else {}
    if seconds:
        known = "If-None-Match" in request.headers
        heading = await wait_for(
            request,
            job_id_of(request),
            seconds,
            lambda one: not is_known(request, one.version) if known else one.status in TERMINAL,
        )
    else:
        heading = await core.reader.heading(principal, job_id_of(request))
    if is_known(request, heading.version):
        return web.Response(status=304, headers={**_headers(request, heading), **granted})
    shown = await core.reader.body(principal, heading, base_url(request))
    if asked and asked["fields_"]:
        shown = shown._replace(body=only(shown.body, asked["fields_"]))
    if asked and asked["include"]:
        included = await with_included(core.pool, {heading.id: shown.body}, asked["include"], INCLUDED)
        shown = shown._replace(body=included[heading.id])
    return _shown(request, shown, headers=granted)


async def patch(request: web.Request) -> web.Response:
    """PATCH /api/jobs/{id}: JSON Merge Patch."""
    no_query(request)
    job_id = job_id_of(request)
    body = await read_json(request)
    core, principal, versions, origin = caller(request)
    await modify(core, principal, job_id, body, versions, origin)
    return await whole(request, job_id)


async def put(request: web.Request) -> web.Response:
    """PUT /api/jobs/{id}: a new creation body for a job that has not started."""
    no_query(request)
    job_id = job_id_of(request)
    body = await read_json(request)
    core, principal, versions, origin = caller(request)
    await replace(core, principal, job_id, body, versions, origin)
    return await whole(request, job_id)


async def delete(request: web.Request) -> web.Response:
    """DELETE /api/jobs/{id}: 204."""
    no_query(request)
    core, principal, versions, origin = caller(request)
    await control.delete(core, principal, job_id_of(request), versions, origin)
    return web.Response(status=204)


async def cancel(request: web.Request) -> web.Response:
    """POST /api/jobs/{id}/cancel: 200 and cancelled, or 202 and asked to stop."""
    no_query(request)
    job_id = job_id_of(request)
    core, principal, versions, origin = caller(request)
    ended = await control.cancel(core, principal, job_id, versions, origin)
    return await whole(request, job_id, status=200 if ended else 202)


async def suspend(request: web.Request) -> web.Response:
    """POST /api/jobs/{id}/suspend."""
    no_query(request)
    job_id = job_id_of(request)
    core, principal, versions, origin = caller(request)
    await control.suspend(core, principal, job_id, versions, origin)
    return await whole(request, job_id)


async def resume(request: web.Request) -> web.Response:
    """POST /api/jobs/{id}/resume."""
    no_query(request)
    job_id = job_id_of(request)
    core, principal, versions, origin = caller(request)
    await control.resume(core, principal, job_id, versions, origin)
    return await whole(request, job_id)


async def rerun(request: web.Request) -> web.Response:
    """POST /api/jobs/{id}/rerun: 200, the same job again; 201, a new one, with `as_new`."""
    no_query(request)
    job_id = job_id_of(request)
    asked = await read_body(request, _RERUN_IN) if request.can_read_body else {"as_new": False}
    core, principal, versions, origin = caller(request)
    if asked["as_new"]:
        return await created(request, await rerun_as_new(core, principal, job_id, versions, origin))
    await rerun_job(core, principal, job_id, versions, origin)
    return await whole(request, job_id)


async def attempts(request: web.Request) -> web.Response:
    """GET /api/jobs/{id}/attempts."""
    no_query(request)
    core: Core = request.app[CORE]
    heading = await core.reader.heading(principal_of(request), job_id_of(request))
    rows = await store.attempts_of(core.pool, heading.id)
    return json_response({"attempts": [{**row, "error": fragment(row["error"])} for row in rows]})


async def messages(request: web.Request) -> web.Response:
    """GET /api/jobs/{id}/messages: oldest first, after a sequence number."""
    core: Core = request.app[CORE]
    asked = query(request, _MESSAGES_IN)
    heading = await core.reader.heading(principal_of(request), job_id_of(request))
    limit: int = asked["limit"]
    rows = await store.messages_of(core.pool, heading.id, asked["after"], asked["level"], limit + 1)
    envelope: dict[str, Any] = {"messages": [dict(row) for row in rows[:limit]]}
    headers = {}
    if len(rows) > limit:
        envelope["next"] = str(request.rel_url.update_query(after=rows[limit - 1]["seq"]))
        headers["Link"] = f'<{envelope["next"]}>; rel="next"'
    return json_response(envelope, headers=headers)


def caller(request: web.Request) -> tuple[Core, Principal, control.Versions, Origin]:
    """What an operation on a job wants to know: the core, who asks, under which condition, and from where."""
    return request.app[CORE], principal_of(request), required_versions(request), origin_of(request)


async def whole(request: web.Request, job_id: UUID, *, status: int = 200) -> web.Response:
    """The answer that is the job as it is now."""
    core, principal = request.app[CORE], principal_of(request)
    heading = await core.reader.heading(principal, job_id)
    return _shown(request, await core.reader.body(principal, heading, base_url(request)), status=status)


def _shown(
    request: web.Request, shown: Rendered, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A response that is the whole job."""
    more = headers or {}
    return web.Response(body=shown.body, status=status, headers={**JSON, **_headers(request, shown), **more})


def _headers(request: web.Request, job: Heading | Rendered) -> dict[str, str]:
    """ETag, and after how many seconds to look again while the job is not at its end."""
    seconds = request.app[PACE].retry_after(principal_of(request).tenant_id, job)
    if seconds is None:
        return {"ETag": etag(job.version)}
    return {"ETag": etag(job.version), "Retry-After": str(seconds)}


routes = [
    web.post("/api/jobs", create),
    web.post("/api/jobs/batch", create_many),
    web.get("/api/jobs/{id}", read),
    web.patch("/api/jobs/{id}", patch),
    web.put("/api/jobs/{id}", put),
    web.delete("/api/jobs/{id}", delete),
    web.post("/api/jobs/{id}/cancel", cancel),
    web.post("/api/jobs/{id}/suspend", suspend),
    web.post("/api/jobs/{id}/resume", resume),
    web.post("/api/jobs/{id}/rerun", rerun),
    web.get("/api/jobs/{id}/attempts", attempts),
    web.get("/api/jobs/{id}/messages", messages),
]
