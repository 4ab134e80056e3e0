"""Conscia's calls: each asks the core what the native call would, in other words."""

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web
from marshmallow import Schema, fields, validate
from multidict import MultiDict

from service.access.audit import origin_of
from service.access.middleware import CUSTOMER_CODE, entitled, principal_of
from service.access.principal import Permission, Principal
from service.definitions import control
from service.definitions.view import definition_view
from service.dialects.conscia import wire
from service.dialects.conscia.faults import pointing_below
from service.errors import Malformed, NotFound
from service.jobs.asked import base_url
from service.jobs.core import CORE, Core
from service.jobs.listing import part_of_list
from service.jobs.schemas import words
from service.jobs.submit import Submission, submit_job
from service.jobs.types import TYPES
from service.web.encoding import dumps, timestamp
from service.web.payload import json_response, load_query, parameters_of, read_json

PREFIX = "/vue/_api/v1"


class JobsIn(Schema):
    """The query of the list of jobs, newest first; a repeated or comma-separated value means any of."""

    status = words(validate=validate.OneOf(wire.STATUSES))
    job_type = fields.List(fields.String(), load_default=None, data_key="jobType")
    job_definition_code = fields.List(fields.String(), load_default=None, data_key="jobDefinitionCode")
    limit = fields.Integer(load_default=100, validate=validate.Range(1, 1_000))
    offset = fields.Integer(load_default=0, validate=validate.Range(0, 2**31 - 1))


_JOBS_IN = JobsIn()


async def list_types(request: web.Request) -> web.Response:
    """GET /vue/_api/v1/job-types: what can be run here."""
    _caller(request)
    return json_response({"jobTypes": [_type(one) for one in request.app[TYPES].values()]})


async def read_type(request: web.Request) -> web.Response:
    """GET /vue/_api/v1/job-types/{code}: one of them. Raises NotFound."""
    _caller(request)
    return json_response(_type(request.app[TYPES][_type_code(request)]))


async def execute_type(request: web.Request) -> web.Response:
    """POST /vue/_api/v1/job-types/{code}/_execute: a job of this type, with these params."""
    core, _ = _caller(request)
    principal = entitled(request, Permission.JOBS_CREATE)
    return await _executed(request, core, principal, {"type": _type_code(request)})


async def create_definition(request: web.Request) -> web.Response:
    """POST /vue/_api/v1/job-definitions: 201 and the definition."""
    core, principal = _caller(request)
    asked = wire.asked_definition(await read_json(request))
    with pointing_below(f"#/{wire.WHOLE}"):
        code = await control.create(core, principal, asked, origin_of(request))
    return await _whole(core, principal, code, status=201)


async def list_definitions(request: web.Request) -> web.Response:
    """GET /vue/_api/v1/job-definitions: those that the caller may see, by code."""
    core, principal = _caller(request)
    rows = await control.all_visible(core, principal)
    return json_response({"jobDefinitions": [_definition(row) for row in rows]})


async def read_definition(request: web.Request) -> web.Response:
    """GET /vue/_api/v1/job-definitions/{code}: one of them. Raises NotFound."""
    return await _whole(*_caller(request), request.match_info["code"])


async def patch_definition(request: web.Request) -> web.Response:
    """PATCH /vue/_api/v1/job-definitions/{code}: JSON Merge Patch; what is left out stays."""
    core, principal = _caller(request)
    code, asked = request.match_info["code"], wire.asked_definition(await read_json(request))
    with pointing_below(f"#/{wire.WHOLE}"):
        await control.modify(core, principal, code, asked, None, origin_of(request))
    return await _whole(core, principal, code)


async def delete_definition(request: web.Request) -> web.Response:
    """DELETE /vue/_api/v1/job-definitions/{code}: 204; its jobs stay."""
    core, principal = _caller(request)
    await control.delete(core, principal, request.match_info["code"], None, origin_of(request))
    return web.Response(status=204)


async def execute_definition(request: web.Request) -> web.Response:
    """POST /vue/_api/v1/job-definitions/{code}/_execute: a job of it; `params` go over the definition's."""
    core, _ = _caller(request)
    principal = entitled(request, Permission.JOBS_CREATE)
    code = request.match_info["code"]
    await control.visible(core, principal, code)
    return await _executed(request, core, principal, {"definition": code})


async def read_job(request: web.Request) -> web.Response:
    """GET /vue/_api/v1/jobs/{id}: where the job stands, and its result. Raises NotFound."""
    core, principal = _caller(request)
    job_id, day = wire.read_id(request.match_info["id"])
    heading = await core.reader.heading(principal, job_id)
    rendered = await core.reader.body(principal, heading, base_url(request))
    native = orjson.loads(rendered.body)
    if not wire.is_of_day(day, native["created_at"]):
        raise NotFound("no such job")
    return json_response(wire.job(native, rendered.base))


async def list_jobs(request: web.Request) -> web.Response:
    """GET /vue/_api/v1/jobs: the jobs that the caller may see, newest first."""
    _caller(request)
    known = parameters_of(_JOBS_IN)
    given = MultiDict((name, text) for name, text in request.query.items() if name in known)
    asked = load_query(given, _JOBS_IN)
    wanted: MultiDict[str] = MultiDict()
    for name, chosen in (
        ("status", None if asked["status"] is None else wire.meant(asked["status"])),
        ("type", asked["job_type"]),
        ("definition", asked["job_definition_code"]),
    ):
        wanted.extend((name, one) for one in chosen or ())
    bodies = await part_of_list(request, wanted, asked["offset"], asked["limit"])
    base = base_url(request)
    return json_response({"jobs": [wire.job(orjson.loads(body), base) for body in bodies]})


def _caller(request: web.Request) -> tuple[Core, Principal]:
    """Who asks, having named their tenant, as Conscia's clients must. Raises Malformed."""
    if CUSTOMER_CODE not in request.headers:  # that it is the token's is known by now
        raise Malformed(f"this needs the header {CUSTOMER_CODE}, the code of the token's tenant")
    return request.app[CORE], principal_of(request)


def _type_code(request: web.Request) -> str:
    code = request.match_info["code"]
    if code not in request.app[TYPES]:
        raise NotFound("no such job type")
    return code


def _type(native: Mapping[str, Any]) -> dict[str, Any]:
    return wire.job_type(orjson.loads(dumps(native)))


def _definition(row: Any) -> dict[str, Any]:
    return wire.definition(orjson.loads(dumps(definition_view(row))))


async def _whole(core: Core, principal: Principal, code: str, *, status: int = 200) -> web.Response:
    row = await control.visible(core, principal, code)
    return json_response({wire.WHOLE: _definition(row)}, status=status)


async def _executed(
    request: web.Request, core: Core, principal: Principal, of: Mapping[str, str]
) -> web.Response:
    asked = wire.asked_args(await read_json(request) if request.can_read_body else {})
    with pointing_below("#"):
        made = await submit_job(core, principal, Submission({**asked, **of}, origin=origin_of(request)))
    return json_response({"jobId": wire.job_id(timestamp(made.row["created_at"]), str(made.row["id"]))})


routes = [
    web.get(f"{PREFIX}/job-types", list_types),
    web.get(f"{PREFIX}/job-types/{{code}}", read_type),
    web.post(f"{PREFIX}/job-types/{{code}}/_execute", execute_type),
    web.post(f"{PREFIX}/job-definitions", create_definition),
    web.get(f"{PREFIX}/job-definitions", list_definitions),
    web.get(f"{PREFIX}/job-definitions/{{code}}", read_definition),
    web.patch(f"{PREFIX}/job-definitions/{{code}}", patch_definition),
    web.delete(f"{PREFIX}/job-definitions/{{code}}", delete_definition),
    web.post(f"{PREFIX}/job-definitions/{{code}}/_execute", execute_definition),
    web.get(f"{PREFIX}/jobs", list_jobs),
    web.get(f"{PREFIX}/jobs/{{id}}", read_job),
]
