"""Alteryx's jobs and workflows; a workflow is a job definition."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from aiohttp import web
from multidict import MultiDict

from service.access.audit import origin_of
from service.access.middleware import entitled, principal_of
from service.access.principal import Permission, Principal
from service.definitions import control as definitions
from service.dialects.alteryx import wire
from service.dialects.alteryx.asked import JobsIn, ReadIn, WorkflowJobsIn, asked_of
from service.dialects.alteryx.login import token
from service.dialects.alteryx.names import codes_of
from service.errors import Forbidden, Unauthenticated, WrongState
from service.files import routes as files
from service.jobs import control
from service.jobs.asked import base_url, job_id_of
from service.jobs.core import CORE
from service.jobs.listing import part_of_list
from service.jobs.states import Status
from service.jobs.store import messages_of
from service.jobs.submit import Submission, submit_job
from service.jobs.types import TYPES
from service.keys import POOL
from service.web.payload import json_response, read_json

MOST_MESSAGES = 10_000
_READ_IN, _JOBS_IN, _WORKFLOW_JOBS_IN = ReadIn(), JobsIn(), WorkflowJobsIn()


async def read_job(request: web.Request) -> web.Response:
    """GET /webapi/v3/jobs/{id}: where the job stands, its outputs and its messages."""
    asked = asked_of(request, _READ_IN)
    core, principal = request.app[CORE], principal_of(request)
    heading = await core.reader.heading(principal, job_id_of(request))
    native = orjson.loads((await core.reader.body(principal, heading, base_url(request))).body)
    return await _whole(request, native, with_messages=asked["include_messages"])


async def list_messages(request: web.Request) -> web.Response:
    """GET /webapi/v3/jobs/{id}/messages: for curators."""
    principal = _curator(request)
    heading = await request.app[CORE].reader.heading(principal, job_id_of(request))
    return json_response(await _messages(request, heading.id))


async def delete_job(request: web.Request) -> web.Response:
    """DELETE /webapi/v3/jobs/{id}: a queued job is deleted, a running one is cancelled."""
    core, principal, job_id = request.app[CORE], principal_of(request), job_id_of(request)
    try:
        is_gone = await control.stop(core, principal, job_id, origin_of(request))
    except WrongState:
        return json_response({"message": wire.NOT_UNDER_WAY}, status=400)
    except Forbidden:
        return json_response({"message": wire.NOT_PERMITTED}, status=400)
    return json_response({"message": wire.DELETED if is_gone else wire.CANCELLED})


async def list_jobs(request: web.Request) -> web.Response:
    """GET /webapi/v3/jobs: for curators, the newest first unless they say otherwise."""
    principal = _curator(request)
    asked = asked_of(request, _JOBS_IN)
    wanted: MultiDict[str] = MultiDict()
    if asked["statuses"] is not None:
        wanted.extend(("status", one) for one in wire.statuses(asked["statuses"]))
    if asked["priorities"] is not None:
        wanted.extend(("priority", one) for one in wire.priorities(asked["priorities"]))
    if not asked["all_users"]:
        users = asked["users"] or ([principal.name] if asked["all_users"] is False else [])
        wanted.extend(("created_by", one) for one in users)
    if asked["workflow_names"] is not None:
        codes = await codes_of(request.app[POOL], principal.tenant_id, asked["workflow_names"])
        wanted.extend(("definition", one) for one in codes)
    for name, native in (("completed_after", "terminated_from"), ("completed_before", "terminated_to")):
        if asked[name] is not None:
            wanted.add(native, asked[name].isoformat())
    return await _listed(request, asked, wanted)


async def list_workflow_jobs(request: web.Request) -> web.Response:
    """GET /webapi/v3/workflows/{workflow}/jobs: those of one workflow that the caller may see."""
    core, principal, code = request.app[CORE], principal_of(request), request.match_info["workflow"]
    asked = asked_of(request, _WORKFLOW_JOBS_IN)
    await definitions.visible(core, principal, code)
    meant = set(Status)
    if asked["status"] is not None:
        meant &= wire.statuses(asked["status"])
    if asked["result_code"] is not None:
        meant &= wire.dispositions(asked["result_code"])
    if not meant:
        return json_response([])
    wanted = MultiDict([("definition", code), *(("status", one) for one in sorted(meant))])
    return await _listed(request, asked, wanted)


async def run_workflow(request: web.Request) -> web.Response:
    """POST /webapi/v3/workflows/{workflow}/jobs: a job of the workflow; the questions go over its args."""
    core = request.app[CORE]
    principal = entitled(request, Permission.JOBS_CREATE)
    code = request.match_info["workflow"]
    row = await definitions.visible(core, principal, code)
    body = await read_json(request) if request.can_read_body else {}
    told = request.app[TYPES].get(row["type"])
    params = orjson.loads(orjson.dumps(told["params"])) if told else {}
    asked = {**wire.asked_job(body, params), "definition": code}
    made = await submit_job(core, principal, Submission(asked, origin=origin_of(request)))
    native = orjson.loads(core.reader.render(made.row, base_url(request)).body)
    return await _whole(request, native, with_messages=True)


async def read_output(request: web.Request) -> web.StreamResponse:
    """GET /webapi/v1/jobs/{id}/output/{output_id}: the file, in another of its formats if one is asked for."""
    named = request.query.get("format", "").lower()
    wanted = {} if named in ("", "raw") else {"format": named}
    return await files.read_content(request.clone(rel_url=request.rel_url.with_query(wanted)))


def _curator(request: web.Request) -> Principal:
    """The caller, who sees and controls all jobs of the tenant; to others Alteryx answers 401."""
    principal = principal_of(request)
    if not (principal.may(Permission.JOBS_READ_ALL) and principal.may(Permission.JOBS_CONTROL_ALL)):
        raise Unauthenticated("only curators may do this")
    return principal


async def _whole(request: web.Request, native: Mapping[str, Any], *, with_messages: bool) -> web.Response:
    shown = wire.job(native)
    if with_messages:
        shown["messages"] = await _messages(request, UUID(native["id"]))
    return json_response(shown)


async def _messages(request: web.Request, job_id: UUID) -> list[dict[str, Any]]:
    rows = await messages_of(request.app[POOL], job_id, 0, None, MOST_MESSAGES)
    return [wire.message(dict(row)) for row in rows]


async def _listed(request: web.Request, asked: Mapping[str, Any], wanted: MultiDict[str]) -> web.Response:
    wanted.add("sort", asked["sort"])
    bodies = await part_of_list(request, wanted, asked["offset"], asked["limit"])
    return json_response([wire.listed(orjson.loads(body)) for body in bodies])


JOB = "/webapi/v3/jobs/{id}"
WORKFLOW = "/webapi/v3/workflows/{workflow}/jobs"
routes = (
    web.post("/webapi/oauth2/token", token),
    web.get("/webapi/v3/jobs", list_jobs),
    web.get(JOB, read_job),
    web.delete(JOB, delete_job),
    web.get(f"{JOB}/messages", list_messages),
    web.get(WORKFLOW, list_workflow_jobs),
    web.post(WORKFLOW, run_workflow),
    web.get("/webapi/v1/jobs/{id}/output/{output_id}", read_output),
)
