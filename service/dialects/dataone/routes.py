"""Data One's calls: each asks the core what the native call would, in other words."""

from typing import Any

from aiohttp import web
from multidict import MultiDict

from service.access.audit import origin_of
from service.access.middleware import entitled, principal_of
from service.access.principal import Permission, Principal
from service.dialects.dataone import wire
from service.dialects.dataone.listing import JobsIn, page, with_plus
from service.errors import NotFound
from service.jobs.core import CORE, Core
from service.jobs.defined import definition_of
from service.jobs.listing import LISTS
from service.jobs.submit import Submission, Submitted, job_of_key, submit_job
from service.web.payload import json_response, load_query, parameters_of, read_json

CONTEXT = "/ghibli-rest/v2"
JOBS = f"{CONTEXT}/job-manager/jobs"
_JOBS_IN = JobsIn()
_ASKED = parameters_of(_JOBS_IN)


async def submit(request: web.Request) -> web.Response:
    """POST /ghibli-rest/v2/job-manager/jobs: 201 and the new job, or 409 and the one that extIPID stands for."""
    core, principal = request.app[CORE], entitled(request, Permission.WORKFLOW)
    asked = wire.asked(await read_json(request))
    if asked.key is not None:
        known = await job_of_key(core, principal, asked.scope, asked.contract, asked.key)
        if known is not None:
            return _told(core, known)
    named = await _named(core, principal, asked.contract)
    submission = Submission(
        {**named, "args": asked.variables, "idempotency_key": asked.key},
        scope=asked.scope,
        origin=origin_of(request),
        needs=Permission.WORKFLOW,
        by_key_alone=True,
        action=asked.action,
    )
    with wire.pointing_into_the_body():
        return _told(core, await submit_job(core, principal, submission))


async def list_jobs(request: web.Request) -> web.Response:
    """GET /ghibli-rest/v2/job-manager/jobs: a page of the jobs that the caller may see."""
    core, principal = request.app[CORE], principal_of(request)
    given = MultiDict((name, with_plus(name, text)) for name, text in request.query.items() if name in _ASKED)
    asked = load_query(given, _JOBS_IN)
    async with request.app[LISTS].connection() as connection:
        jobs, cursor = await page(connection, principal, core.job_types, core.settings.secret_keys, asked)
    answer: dict[str, Any] = {"jobs": jobs}
    if cursor is not None:
        given["cursor"] = cursor
        answer["next"] = str(request.rel_url.with_query(given))
    return json_response(answer)


async def _named(core: Core, principal: Principal, contract: str) -> dict[str, str]:
    """The definition that a contract is, else the type. Raises NotFound."""
    if await definition_of(core.defining, principal, contract) is not None:
        return {"definition": contract}
    if contract in core.job_types:
        return {"type": contract}
    raise NotFound(f"there is no contract {contract[:100]}")


def _told(core: Core, made: Submitted) -> web.Response:
    code = made.row["type"]
    job = wire.job(made.row, wire.template(code, core.job_types.get(code)))
    return json_response(job, status=409 if made.replayed else 201)


routes = [web.post(JOBS, submit), web.get(JOBS, list_jobs)]
