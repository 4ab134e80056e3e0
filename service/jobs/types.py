"""GET /api/job-types: what can be run here, each with the JSON Schema of its params, and how many workers take it."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
from aiohttp import web
from marshmallow import Schema, fields, validate

from service.db.connection import Executor
from service.errors import NotFound
from service.jobs.core import CORE
from service.jobs.jobtype import CODE, JobType, JobTypesError
from service.keys import POOL
from service.web.conditions import is_known
from service.web.encoding import dumps
from service.web.params import json_schema
from service.web.payload import JSON, json_response, no_query, query

Types = Mapping[str, Mapping[str, Any]]
TYPES = web.AppKey("types", Types)


async def types_of(app: web.Application) -> AsyncIterator[None]:
    """A `cleanup_ctx` of the application, after its core: types do not change while it runs."""
    app[TYPES] = shown_types(app[CORE].job_types)
    yield


def shown_types(job_types: Mapping[str, JobType]) -> Types:
    """What is told of each type, by code and in its order. Raises JobTypesError for params that can't be described."""
    return {code: _shown(job_types[code]) for code in sorted(job_types)}


def args_schemas(job_types: Mapping[str, JobType]) -> dict[str, dict[str, Any]]:
    """The params of each type, by their names in the OpenAPI document."""
    names = {f"Args.{code}": job_types[code] for code in sorted(job_types)}
    return {name: _params(one, f"#/components/schemas/{name}") for name, one in names.items()}


def _params(one: JobType, base: str = "#") -> dict[str, Any]:
    return json_schema(one.params, title=one.name, description=one.description, base=base)


def _shown(one: JobType) -> Mapping[str, Any]:
    try:
        params, example = (orjson.Fragment(dumps(value)) for value in (_params(one), dict(one.example)))
    except Exception as error:
        raise JobTypesError(
            f"the params or the example of the job type {one.code} cannot be described: "
            f"{type(error).__name__}: {error}"
        ) from error
    rule = one.attachment
    return {
        "code": one.code,
        "name": one.name,
        "description": one.description,
        "category": one.category,
        "sub_category": one.sub_category,
        "params": params,
        "attachment": rule and {"required": rule.required, "mime_types": rule.mime_types},
        "available_formats": one.available_formats,
        "defaults": {
            "priority": one.priority,
            "timeout_seconds": one.timeout_seconds,
            "max_attempts": one.max_attempts,
        },
        "can_rerun": one.can_rerun,
        "example": example,
    }


# As in stats: a worker that has not been heard of for so long is taken for dead.
WORKERS = """
SELECT type, count(*) AS workers FROM workers, unnest(types) AS type
WHERE beat_at > now() - interval '15 seconds' AND NOT draining GROUP BY type
"""


async def live_workers(connection: Executor) -> dict[str, int]:
    """How many workers take jobs of each type now; a type without any is absent."""
    return {row["type"]: row["workers"] for row in await connection.fetch(WORKERS)}


class TypesIn(Schema):
    """The query. A cursor is the code that a page ended with."""

    limit = fields.Integer(load_default=100, validate=validate.Range(min=1, max=1_000))
    cursor = fields.String(
        load_default="",
        validate=validate.Regexp(rf"{CODE.pattern}\Z", error="is none that this list has given"),
    )
    count = fields.Boolean(load_default=False, truthy={"true", "1"}, falsy={"false", "0"})


_TYPES_IN = TypesIn()


async def list_types(request: web.Request) -> web.Response:
    """GET /api/job-types: by code."""
    asked, types = query(request, _TYPES_IN), request.app[TYPES]
    workers = await live_workers(request.app[POOL])
    following = [code for code in types if code > asked["cursor"]]
    codes = following[: asked["limit"]]
    envelope: dict[str, Any] = {
        "job_types": [{**types[code], "workers": workers.get(code, 0)} for code in codes]
    }
    headers = {}
    if asked["count"]:
        envelope["count"] = len(types)
    if len(following) > len(codes):
        envelope["next"] = str(request.rel_url.update_query(cursor=codes[-1]))
        headers["Link"] = f'<{envelope["next"]}>; rel="next"'
    return json_response(envelope, headers=headers)


async def read_type(request: web.Request) -> web.Response:
    """GET /api/job-types/{code}: one of them."""
    no_query(request)
    code = request.match_info["code"]
    one = request.app[TYPES].get(code)
    if one is None:
        raise NotFound("no such job type")
    workers = await live_workers(request.app[POOL])
    body = dumps({**one, "workers": workers.get(code, 0)})
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    if is_known(request, etag):
        return web.Response(status=304, headers={"ETag": etag})
    return web.Response(body=body, headers={**JSON, "ETag": etag})


CODE_PATH = {"type": "string", "pattern": f"^{CODE.pattern}$"}
routes = [web.get("/api/job-types", list_types), web.get("/api/job-types/{code}", read_type)]
