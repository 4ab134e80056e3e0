"""OpenCity's version 1 at the native paths, for requests that say so: each is the native call in other words."""

from collections.abc import Mapping

import orjson
from aiohttp import hdrs, web
from multidict import MultiDict, MultiMapping
from yarl import URL

from service.dialects.opencity import wire
from service.jobs import listing
from service.jobs import routes as native
from service.jobs.asked import job_id_of
from service.jobs.modify import modify
from service.jobs.modify import replace as replace_job
from service.jobs.schemas import AttachmentIn, JobIn, JobPatch, ReadIn
from service.web.described import Handler
from service.web.encoding import dumps
from service.web.payload import json_response, parameters_of, read_json

VERSION = "X-Accept-Version"
_OF_ATTACHMENT = frozenset(AttachmentIn().load_fields)
_OF_CREATION = frozenset(JobIn().load_fields)
_OF_CHANGE = frozenset(JobPatch().load_fields) | _OF_CREATION
_SELECTION = {"fields", "include"}  # version 1 has exactly its fields
_OF_READ = parameters_of(ReadIn()).keys() - _SELECTION
_OF_LIST = parameters_of(listing.ListIn()).keys() - _SELECTION


async def create(request: web.Request) -> web.StreamResponse:
    """POST /api/jobs: 201 and the new job."""
    if not is_version_1(request):
        return await native.create(request)
    made = await native.submit(request, lambda body: wire.known(body, _OF_CREATION, _OF_ATTACHMENT))
    return _reduced(await native.created(_asking(request, MultiDict()), made))


async def read(request: web.Request) -> web.StreamResponse:
    """GET /api/jobs/{id}: the job."""
    if not is_version_1(request):
        return await native.read(request)
    asked = MultiDict((name, text) for name, text in request.query.items() if name in _OF_READ)
    return _reduced(await native.read(_asking(request, asked)))


async def list_(request: web.Request) -> web.StreamResponse:
    """GET /api/jobs: a page of the jobs that the caller may see."""
    if not is_version_1(request):
        return await listing.list_(request)
    asked = MultiDict(
        (name, text)
        for name, text in request.query.items()
        if name in _OF_LIST or name.startswith(listing.LABEL)
    )
    if "status" in asked:
        words = [word for text in asked.popall("status") for word in text.split(",")]
        asked["status"] = ",".join(wire.meant(words))
    page = orjson.loads(_body(await listing.list_jobs(_asking(request, asked))))
    page["jobs"] = [wire.job(one) for one in page["jobs"]]
    headers = {"Vary": VERSION}
    if "next" in page:  # the native page says where to go on, but it was asked in native words
        cursor = URL(page["next"]).query["cursor"]
        page["next"] = str(request.rel_url.update_query(cursor=cursor))
        headers["Link"] = f'<{page["next"]}>; rel="next"'
    return json_response(page, headers=headers)


async def patch(request: web.Request) -> web.StreamResponse:
    """PATCH /api/jobs/{id}: JSON Merge Patch."""
    if not is_version_1(request):
        return await native.patch(request)
    job_id, plain = job_id_of(request), _asking(request, MultiDict())
    body = wire.known(await read_json(request), _OF_CHANGE, _OF_ATTACHMENT)
    core, principal, versions, origin = native.caller(request)
    await modify(core, principal, job_id, body, versions, origin)
    return _reduced(await native.whole(plain, job_id))


async def put(request: web.Request) -> web.StreamResponse:
    """PUT /api/jobs/{id}: a new creation body for a job that has not started."""
    if not is_version_1(request):
        return await native.put(request)
    job_id, plain = job_id_of(request), _asking(request, MultiDict())
    body = wire.known(await read_json(request), _OF_CREATION, _OF_ATTACHMENT)
    core, principal, versions, origin = native.caller(request)
    await replace_job(core, principal, job_id, body, versions, origin)
    return _reduced(await native.whole(plain, job_id))


async def delete(request: web.Request) -> web.StreamResponse:
    """DELETE /api/jobs/{id}: 204."""
    if not is_version_1(request):
        return await native.delete(request)
    return await native.delete(_asking(request, MultiDict()))


def is_version_1(request: web.Request) -> bool:
    """Whether the request is of OpenCity's version 1, by its header or its query."""
    if request.headers.get(VERSION, "").strip() == "1":
        return True
    return bool(request.query_string) and request.query.get("version") == "1"


def _asking(request: web.Request, asked: MultiMapping[str]) -> web.Request:
    """The request with the parameters that the native call takes; OpenCity ignores others."""
    return request.clone(rel_url=request.rel_url.with_query(asked))


def _reduced(response: web.Response) -> web.Response:
    """The response with the job in it, if there is one, in the words of version 1."""
    response.headers[hdrs.VARY] = VERSION
    if response.body is not None:
        response.body = dumps(wire.job(orjson.loads(_body(response))))
    return response


def _body(response: web.Response) -> bytes:
    assert isinstance(response.body, bytes)  # noqa: S101 - native answers are made of bytes
    return response.body


IN_PLACE_OF: Mapping[Handler, Handler] = {
    native.create: create,
    listing.list_: list_,
    native.read: read,
    native.patch: patch,
    native.put: put,
    native.delete: delete,
}
