"""Attachments, outputs and the links to them. Who may not see a job may not see its files: 404."""

from typing import cast
from uuid import UUID

import asyncpg
from aiohttp import web

from service.access.audit import origin_of, record
from service.access.listing import list_response, page_of
from service.access.middleware import entitled, principal_of
from service.access.principal import Permission, Principal
from service.errors import Forbidden, NotFound
from service.files import sharing, store
from service.files.addresses import link_addresses
from service.files.conditions import matches
from service.files.content import stream
from service.files.conversions import other_format
from service.files.download import download
from service.files.keys import CONVERSIONS, STORAGE
from service.files.room import room_for
from service.files.schemas import (
    ContentQuery,
    LinkIn,
    UploadQuery,
    link_view,
    output_etag,
    output_view,
)
from service.files.upload import Upload, kept_unless_refused, receive_raw
from service.keys import POOL, SETTINGS
from service.web.payload import json_response, no_query, query, read_body

_LINK_IN, _UPLOAD_QUERY, _CONTENT_QUERY = LinkIn(), UploadQuery(), ContentQuery()


async def create_attachment(request: web.Request) -> web.Response:
    """POST /api/attachments: stores the body, 201; it is its creator's, for 24 hours unless a job uses it."""
    caller = entitled(request, Permission.JOBS_CREATE)
    name = query(request, _UPLOAD_QUERY)["name"]
    upload = await receive_raw(
        request,
        request.app[STORAGE],
        name=name,
        limit=request.app[SETTINGS].max_attachment,
        room=await room_for(request.app[POOL], caller),
    )
    async with kept_unless_refused(request.app[STORAGE], upload):
        return await _attachment_created(request, caller, upload)


async def _attachment_created(request: web.Request, caller: Principal, upload: Upload) -> web.Response:
    async with request.app[POOL].acquire() as connection, connection.transaction():
        file_id = await store.insert_file(
            connection,
            tenant_id=caller.tenant_id,
            name=upload.name,
            mime_type=upload.mime_type,
            blob=upload.blob,
            created_by=caller.name,
        )
        shown = await store.upload_by_id(connection, caller.tenant_id, file_id)
        changes = {"name": [None, upload.name], "size": [None, upload.blob.size]}
        await record(connection, caller, "create", "attachment", str(file_id), changes, origin_of(request))
    return json_response(shown, status=201)


async def read_attachment(request: web.Request) -> web.StreamResponse:
    """GET /api/jobs/{id}/attachment: the bytes."""
    no_query(request)
    job = await _visible_job(request)
    file = await store.attachment_of_job(request.app[POOL], principal_of(request).tenant_id, job.id)
    return await stream(request, request.app[STORAGE], file)


async def list_outputs(request: web.Request) -> web.Response:
    """GET /api/jobs/{id}/outputs: those of the current run, all of them."""
    no_query(request)
    job = await _visible_job(request)
    outputs = await store.outputs_of_run(request.app[POOL], principal_of(request).tenant_id, job.id)
    return json_response({"outputs": [output_view(output) for output in outputs]})


async def read_output(request: web.Request) -> web.StreamResponse:
    """GET …/outputs/{output_id}: its description."""
    no_query(request)
    output = await _visible_output(request)
    headers = {"ETag": output_etag(output)}
    if matches(request.headers.get("If-None-Match"), headers["ETag"]):
        return web.Response(status=304, headers=headers)
    return json_response(output_view(output), headers=headers)


async def read_content(request: web.Request) -> web.StreamResponse:
    """GET …/outputs/{output_id}/content: the bytes, converted when another of its formats is asked for."""
    output, storage = await _visible_output(request), request.app[STORAGE]
    wanted = other_format(output, query(request, _CONTENT_QUERY)["format"])
    if wanted is None:
        return await stream(request, storage, output.file)
    tenant_id = principal_of(request).tenant_id
    file = await request.app[CONVERSIONS].converted(request.app[POOL], storage, tenant_id, output, wanted)
    return await stream(request, storage, file)


async def create_link(request: web.Request) -> web.Response:
    """POST …/outputs/{output_id}/links: 201 with the link."""
    no_query(request)
    output_id, job = _id(request, "output_id"), await _controlled_job(request)
    caller = principal_of(request)
    body = await read_body(request, _LINK_IN) if request.can_read_body else _LINK_IN.load({})
    async with request.app[POOL].acquire() as connection, connection.transaction():
        link = await sharing.insert_link(
            connection,
            caller.tenant_id,
            job.id,
            output_id,
            scope=body["scope"],
            expires_in=body["expires_in"],
            max_downloads=body["max_downloads"],
            created_by=caller.name,
        )
        if link is None:
            raise NotFound("no such output")
        changes = {name: [None, getattr(link, name)] for name in ("scope", "expires_at", "max_downloads")}
        await record(connection, caller, "create", "link", str(link.id), changes, origin_of(request))
    return json_response(link_view(link, link_addresses(request)(link.id)), status=201)


async def list_links(request: web.Request) -> web.Response:
    """GET …/outputs/{output_id}/links: newest first, in pages; those that are over too."""
    output, page, address = await _visible_output(request), page_of(request, UUID), link_addresses(request)
    links = await sharing.links_of_output(
        request.app[POOL],
        principal_of(request).tenant_id,
        _id(request, "id"),
        output.id,
        before=page.after,
        limit=page.limit + 1,
    )
    shown = [link_view(link, address(link.id)) for link in links]
    return list_response(request, page, "links", cast("list[asyncpg.Record]", shown), cursor="id")


async def revoke_link(request: web.Request) -> web.Response:
    """DELETE …/links/{link_id}: 204, again and again; no request after it gets a byte."""
    no_query(request)
    output_id, link_id = _id(request, "output_id"), _id(request, "link_id")
    job, caller = await _controlled_job(request), principal_of(request)
    async with request.app[POOL].acquire() as connection, connection.transaction():
        if not await sharing.revoke_link(connection, caller.tenant_id, job.id, output_id, link_id):
            raise NotFound("no such link")
        await record(connection, caller, "revoke", "link", str(link_id), None, origin_of(request))
    return web.Response(status=204)


def _id(request: web.Request, name: str) -> UUID:
    try:
        return UUID(request.match_info[name])
    except ValueError:
        raise NotFound("no such thing") from None


async def _visible_job(request: web.Request) -> store.JobFacts:
    caller = principal_of(request)
    job = await store.job_facts(request.app[POOL], caller.tenant_id, _id(request, "id"))
    if job is None or not caller.may_read(job.created_by, job.shared_with):
        raise NotFound("no such job")
    return job


async def _controlled_job(request: web.Request) -> store.JobFacts:
    job = await _visible_job(request)
    if not principal_of(request).may_control(job.created_by, job.shared_with):
        raise Forbidden("links are made and revoked by who may control the job")
    return job


async def _visible_output(request: web.Request) -> store.Output:
    output_id, job = _id(request, "output_id"), await _visible_job(request)
    output = await store.output_by_id(request.app[POOL], principal_of(request).tenant_id, job.id, output_id)
    if output is None:
        raise NotFound("no such output")
    return output


_OUTPUT = "/api/jobs/{id}/outputs/{output_id}"
routes = [
    web.post("/api/attachments", create_attachment),
    web.get("/api/jobs/{id}/attachment", read_attachment),
    web.get("/api/jobs/{id}/outputs", list_outputs),
    web.get(_OUTPUT, read_output),
    web.get(f"{_OUTPUT}/content", read_content),
    web.post(f"{_OUTPUT}/links", create_link),
    web.get(f"{_OUTPUT}/links", list_links),
    web.delete(f"{_OUTPUT}/links/{{link_id}}", revoke_link),
    web.get("/d/{link}/{token}", download),
]
