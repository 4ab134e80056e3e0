"""POST /api/jobs/actions: one act on many jobs, named one by one or by the filters of the list.

Each job is moved by the same guarded operation as alone, in a transaction and with an audit row of its own; so one that
refuses spoils nothing for the others, and what happened to each can be told.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from aiohttp import web
from marshmallow import Schema, fields, validate
from multidict import MultiDict

from service.access.audit import Origin, origin_of
from service.access.middleware import principal_of
from service.access.principal import Principal
from service.errors import Fault, Invalid, LavoriError, Malformed, TooLarge
from service.jobs import control
from service.jobs.core import CORE, Core
from service.jobs.listing import FILTER_WORDS, matching
from service.jobs.rerun import rerun_job
from service.jobs.schemas import MOST_IN_A_CALL
from service.web.flag import Flag
from service.web.middleware import problem
from service.web.payload import json_response, no_query, read_body

AT_ONCE = 8  # of the pool's connections: other requests go on meanwhile
MOST_MATCHED = 10_000  # by a filter, in one call


async def _cancel(core: Core, principal: Principal, job_id: UUID, origin: Origin) -> int:
    return 200 if await control.cancel(core, principal, job_id, None, origin) else 202


async def _suspend(core: Core, principal: Principal, job_id: UUID, origin: Origin) -> int:
    await control.suspend(core, principal, job_id, None, origin)
    return 200


async def _resume(core: Core, principal: Principal, job_id: UUID, origin: Origin) -> int:
    await control.resume(core, principal, job_id, None, origin)
    return 200


async def _rerun(core: Core, principal: Principal, job_id: UUID, origin: Origin) -> int:
    await rerun_job(core, principal, job_id, None, origin)
    return 200


async def _delete(core: Core, principal: Principal, job_id: UUID, origin: Origin) -> int:
    await control.delete(core, principal, job_id, None, origin)
    return 204


ACTIONS: dict[str, Callable[[Core, Principal, UUID, Origin], Awaitable[int]]] = {
    "cancel": _cancel,
    "rerun": _rerun,
    "suspend": _suspend,
    "resume": _resume,
    "delete": _delete,
}


class ActionIn(Schema):
    """What to do, and to which jobs."""

    action = fields.String(required=True, validate=validate.OneOf(list(ACTIONS)))
    ids = fields.List(
        fields.String(), load_default=None, metadata={"json_schema": {"maxItems": MOST_IN_A_CALL}}
    )
    filter_ = fields.Dict(
        load_default=None,
        data_key="filter",
        metadata={
            "json_schema": {
                "propertyNames": {"pattern": f"^(label\\..*|{'|'.join(FILTER_WORDS)})$"},
                "additionalProperties": {
                    "type": ["string", "integer", "array"],
                    "items": {"type": ["string", "integer"]},
                },
            }
        },
    )
    dry_run = Flag(load_default=False)


_ACTION_IN = ActionIn()


async def act(request: web.Request) -> web.Response:
    """POST /api/jobs/actions: how many jobs it touches, and what happened to each; nothing happens with `dry_run`."""
    no_query(request)
    core, principal, origin = request.app[CORE], principal_of(request), origin_of(request)
    asked = await read_body(request, _ACTION_IN)
    if (asked["ids"] is None) == (asked["filter_"] is None):
        raise Invalid([Fault("#", "needs either ids or filter")])
    if asked["ids"] is not None:
        named = _ids(asked["ids"])
        seen = {
            one.id for one in await core.reader.visible(principal, [one for one in named.values() if one])
        }
        matched = sum(job_id in seen for job_id in named.values())
    else:
        try:
            found, matched = await matching(request, _query(asked["filter_"]), MOST_MATCHED)
        except Malformed as error:  # what would be wrong in a query is wrong in this body
            raise Invalid([Fault("#/filter", str(error))]) from None
        named = {str(job_id): job_id for job_id in found}
    if asked["dry_run"]:
        return json_response({"matched": matched, "results": []})
    run, room = ACTIONS[asked["action"]], asyncio.Semaphore(AT_ONCE)

    async def one(shown: str, job_id: UUID | None) -> dict[str, Any]:
        if job_id is None:
            return {"id": shown, "status": 404, "problem": problem(control.no_such_job())}
        try:
            async with room:
                status = await run(core, principal, job_id, origin)
        except LavoriError as error:
            return {"id": shown, "status": error.status, "problem": problem(error)}
        return {"id": shown, "status": status, "problem": None}

    results = await asyncio.gather(*(one(shown, job_id) for shown, job_id in named.items()))
    return json_response({"matched": matched, "results": results})


def _ids(texts: list[str]) -> dict[str, UUID | None]:
    """The ids by how they were written; one that is no UUID is of no job."""
    if len(texts) > MOST_IN_A_CALL:
        raise TooLarge("the list of ids", MOST_IN_A_CALL, "jobs")
    ids: dict[str, UUID | None] = {}
    for text in texts:
        try:
            ids[text] = UUID(text)
        except ValueError:
            ids[text] = None
    return ids


def _query(given: dict[str, Any]) -> MultiDict[str]:
    """The filter as the query of the list would say it: texts, numbers, and lists of them."""
    query: MultiDict[str] = MultiDict()
    for name, value in given.items():
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, str | int) or isinstance(one, bool):
                raise Invalid([Fault(f"#/filter/{name}", "must be a text, a number, or a list of them")])
            query.add(name, str(one))
    return query


routes = [web.post("/api/jobs/actions", act)]
