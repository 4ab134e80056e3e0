"""The native API of jobs: load, one call, dump."""

import asyncio
from typing import Any
from uuid import UUID

import orjson
from aiohttp import web

from service.access.audit import origin_of
from service.access.middleware import principal_of
from service.errors import Fault, Invalid, LavoriError, TooLarge
from service.files.upload import kept_unless_refused, receive_multipart
from service.jobs import control, store
from service.jobs.asked import base_url, job_id_of, seconds_to_wait
from service.jobs.core import CORE, Core
from service.jobs.modify import modify, replace
from service.jobs.schemas import MOST_IN_A_CALL, MessagesIn, ReadIn, RerunIn
from service.jobs.selection import INCLUDED, only, with_included
from service.jobs.states import TERMINAL
from service.jobs.submit import Submission, Submitted, submit_job
from service.jobs.waiting import wait_for
from service.web.conditions import etag, is_known, required_version
from service.web.middleware import problem
from service.web.payload import (
    JSON,
    fragment,
    json_response,
    parse_json,
    query,
    read_body,
    read_json,
)

_READ_IN, _MESSAGES_IN, _RERUN_IN = ReadIn(), MessagesIn(), RerunIn()
RETRY_AFTER_SECONDS = "1"


async def create(request: web.Request) -> web.Response:
    """POST /api/jobs: 201 and the whole job; 200 when its idempotency key was known."""
    core = request.app[CORE]
    principal = principal_of(request)
    key = request.headers.get("Idempotency-Key")
    if request.content_type != "multipart/form-data":
        submitted = await submit_job(core, principal, Submission(await read_json(request), key))
        return await _created(request, submitted)
    settings = core.settings
    form = await receive_multipart(
        request, core.storage, max_json_body=settings.max_json_body, max_attachment=settings.max_attachment
    )
    async with kept_unless_refused(core.storage, form.file):
        submitted = await submit_job(core, principal, Submission(parse_json(form.job), key, form.file))
    if submitted.replayed and form.file:
        await core.storage.delete(form.file.blob.key)
    return await _created(request, submitted)


async def _created(request: web.Request, submitted: Submitted) -> web.Response:
    row = submitted.row
    headers = dict(JSON)
    if submitted.replayed:
        headers["Idempotency-Replayed"] = "true"
    else:
        headers["Location"] = f"{request.path}/{row['id']}"
    reader = request.app[CORE].reader
    status, version, body = row["status"], row["version"], reader.render(row, base_url(request))
    if status not in TERMINAL and (seconds := seconds_to_wait(request, None)):
        heading = await wait_for(request, row["id"], seconds, lambda one: one.status in TERMINAL)
        version, body = await reader.body(principal_of(request), heading, base_url(request))
        status = heading.status
        headers["Preference-Applied"] = f"wait={seconds}"
    if status not in TERMINAL:
        headers["Retry-After"] = RETRY_AFTER_SECONDS
    headers["ETag"] = etag(version)
    return web.Response(body=body, status=200 if submitted.replayed else 201, headers=headers)


async def create_many(request: web.Request) -> web.Response:
    """POST /api/jobs/batch: up to 1,000 jobs; 207 with what became of each."""
    core = request.app[CORE]
    principal = principal_of(request)
    items = await read_json(request)
    if not isinstance(items, list):
        raise Invalid([Fault("#", "must be a JSON array of jobs")])
    if len(items) > MOST_IN_A_CALL:
        raise TooLarge("the batch", MOST_IN_A_CALL, "jobs")
    base = base_url(request)

    async def one(item: Any) -> dict[str, Any]:
        try:
            submitted = await submit_job(core, principal, Submission(item))
        except LavoriError as error:
            return {"status": error.status, "problem": problem(error)}
        return {
            "status": 200 if submitted.replayed else 201,
            "job": orjson.Fragment(core.reader.render(submitted.row, base)),
        }

    return json_response(await asyncio.gather(*map(one, items)), status=207)


async def read(request: web.Request) -> web.Response:
    """GET /api/jobs/{id}."""
    core = request.app[CORE]
    principal = principal_of(request)
    asked = query(request, _READ_IN) if request.query_string else None
    seconds = seconds_to_wait(request, asked["wait"] if asked else None)
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
    headers = {**JSON, "ETag": etag(heading.version)}
    if heading.status not in TERMINAL:
        headers["Retry-After"] = RETRY_AFTER_SECONDS
    if is_known(request, heading.version):
        return web.Response(status=304, headers={"ETag": headers["ETag"]})
    version, body = await core.reader.body(principal, heading, base_url(request))
    headers["ETag"] = etag(version)
    if asked and asked["fields_"]:
        body = only(body, asked["fields_"])
    if asked and asked["include"]:
        included = await with_included(core.pool, {heading.id: body}, asked["include"], INCLUDED)
        body = included[heading.id]
    return web.Response(body=body, headers=headers)


async def patch(request: web.Request) -> web.Response:
    """PATCH /api/jobs/{id}: JSON Merge Patch."""
    job_id = job_id_of(request)
    body = await read_json(request)
    await modify(
        request.app[CORE], principal_of(request), job_id, body, required_version(request), origin_of(request)
    )
    return await _whole(request, job_id)


async def put(request: web.Request) -> web.Response:
    """PUT /api/jobs/{id}: a new creation body for a job that has not started."""
    job_id = job_id_of(request)
    body = await read_json(request)
    core, principal = request.app[CORE], principal_of(request)
    await replace(core, principal, job_id, body, required_version(request), origin_of(request))
    return await _whole(request, job_id)


async def delete(request: web.Request) -> web.Response:
    """DELETE /api/jobs/{id}: 204."""
    await control.delete(
        request.app[CORE],
        principal_of(request),
        job_id_of(request),
        required_version(request),
        origin_of(request),
    )
    return web.Response(status=204)


async def cancel(request: web.Request) -> web.Response:
    """POST /api/jobs/{id}/cancel: 200 and cancelled, or 202 and asked to stop."""
    job_id = job_id_of(request)
    ended = await control.cancel(
        request.app[CORE], principal_of(request), job_id, required_version(request), origin_of(request)
    )
    return await _whole(request, job_id, status=200 if ended else 202)


async def suspend(request: web.Request) -> web.Response:
    """POST /api/jobs/{id}/suspend."""
    job_id = job_id_of(request)
    await control.suspend(
        request.app[CORE], principal_of(request), job_id, required_version(request), origin_of(request)
    )
    return await _whole(request, job_id)


async def resume(request: web.Request) -> web.Response:
    """POST /api/jobs/{id}/resume."""
    job_id = job_id_of(request)
    await control.resume(
        request.app[CORE], principal_of(request), job_id, required_version(request), origin_of(request)
    )
    return await _whole(request, job_id)


async def rerun(request: web.Request) -> web.Response:
    """POST /api/jobs/{id}/rerun: 200, the same job again; 201, a new one, with `as_new`."""
    core = request.app[CORE]
    job_id = job_id_of(request)
    asked = await read_body(request, _RERUN_IN) if request.can_read_body else {"as_new": False}
    if not asked["as_new"]:
        await control.rerun(
            core, principal_of(request), job_id, required_version(request), origin_of(request)
        )
        return await _whole(request, job_id)
    submitted = await control.rerun_as_new(core, principal_of(request), job_id, required_version(request))
    row = submitted.row
    headers = {
        **JSON,
        "ETag": etag(row["version"]),
        "Location": f"{request.path.rpartition(str(job_id))[0]}{row['id']}",
    }
    return web.Response(body=core.reader.render(row, base_url(request)), status=201, headers=headers)


async def attempts(request: web.Request) -> web.Response:
    """GET /api/jobs/{id}/attempts."""
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


async def _whole(request: web.Request, job_id: UUID, *, status: int = 200) -> web.Response:
    core = request.app[CORE]
    principal = principal_of(request)
    heading = await core.reader.heading(principal, job_id)
    version, body = await core.reader.body(principal, heading, base_url(request))
    return web.Response(body=body, status=status, headers={**JSON, "ETag": etag(version)})


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
