"""AIMS360's jobs, documents and exports."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from aiohttp import web
from multidict import MultiDict

from service.access.audit import origin_of
from service.access.middleware import entitled, open_to_all, principal_of
from service.access.principal import Permission
from service.dialects.aims360 import entities, exports, listing, wire
from service.dialects.aims360.edmx import metadata
from service.dialects.aims360.entities import EntitySet
from service.dialects.aims360.facts import called_at, descriptions_of, facts_of
from service.dialects.aims360.request_document import request_of
from service.errors import NotFound
from service.files.download import follow, wrong_token
from service.files.keys import SIGNER
from service.files.published import Published, publish_ahead, published_by_id
from service.jobs import control
from service.jobs.asked import base_url
from service.jobs.core import CORE
from service.jobs.job import Row
from service.jobs.listing import LISTS
from service.jobs.rerun import rerun_job
from service.jobs.store import read_jobs
from service.jobs.submit import Submission, submit_job
from service.keys import POOL, SETTINGS
from service.web.payload import json_response, load, read_json

ODATA = {"OData-Version": "4.0"}
_EXPORT_IN = exports.ExportIn()


async def list_jobs(request: web.Request) -> web.Response:
    """GET /jobsmanagement/odata/v1.0/backgroundjob: a page of the jobs that the caller may see."""
    tenant_id, secrets = principal_of(request).tenant_id, request.app[SETTINGS].secret_keys
    async with request.app[LISTS].connection() as connection:
        page = await listing.page(
            connection,
            entities.JOBS,
            principal_of(request),
            request.query,
            descriptions_of(request),
            secrets,
        )
        rows = await read_jobs(connection, [(row["id"], tenant_id) for row in page.rows]) if page.rows else []
        facts = await facts_of(request, connection)
    return _listed(request, entities.JOBS, page, [row for row in rows if row is not None], facts)


async def list_documents(request: web.Request) -> web.Response:
    """GET /documentmanagement/odata/v1.0/aimsdocument: a page of the documents of those jobs."""
    secrets = request.app[SETTINGS].secret_keys
    async with request.app[LISTS].connection() as connection:
        page = await listing.page(
            connection, entities.DOCUMENTS, principal_of(request), request.query, {}, secrets
        )
        facts = await facts_of(request, connection)
    return _listed(request, entities.DOCUMENTS, page, page.rows, facts)


def _listed(
    request: web.Request, kind: EntitySet, page: listing.Page, rows: Sequence[Row], facts: wire.Facts
) -> web.Response:
    address, select = f"{called_at(request)}{kind.root}", page.asked.select
    context = f"{address}/$metadata#{kind.name}"
    if select is not None:
        context += f"({','.join(one.name for one in select)})"
    envelope: dict[str, Any] = {"@odata.context": context}
    if page.counted is not None:
        envelope["@odata.count"] = page.counted
    envelope["value"] = [kind.show(row, facts, select) for row in rows]
    if page.following is not None:
        envelope["@odata.nextLink"] = f"{address}/{kind.name}?{page.following}"
    return json_response(envelope, headers=ODATA)


async def count_jobs(request: web.Request) -> web.Response:
    """GET /jobsmanagement/odata/v1.0/backgroundjob/$count: how many jobs there are by $filter, as a plain number."""
    asked = MultiDict((("$count", "true"), ("$top", "0")))
    asked.extend((name, text) for name, text in request.query.items() if name.lower() == "$filter")
    secrets = request.app[SETTINGS].secret_keys
    async with request.app[LISTS].connection() as connection:
        page = await listing.page(
            connection, entities.JOBS, principal_of(request), asked, descriptions_of(request), secrets
        )
    return web.Response(text=str(page.counted), headers=ODATA)


async def jobs_metadata(_: web.Request) -> web.Response:
    """GET /jobsmanagement/odata/v1.0/$metadata: what a job is, as CSDL."""
    return _metadata(entities.JOBS)


async def documents_metadata(_: web.Request) -> web.Response:
    """GET /documentmanagement/odata/v1.0/$metadata: what a document is, as CSDL."""
    return _metadata(entities.DOCUMENTS)


def _metadata(kind: EntitySet) -> web.Response:
    return web.Response(body=metadata(kind), content_type="application/xml", charset="utf-8", headers=ODATA)


async def rerun(request: web.Request) -> web.Response:
    """POST /jobsmanagement/v1.0/backgroundjob/{jobID}/rerun: the same job runs again, under its id and link."""
    core, principal = request.app[CORE], principal_of(request)
    row = await _job(request, "jobID")
    await rerun_job(core, principal, row["id"], None, origin_of(request))
    return json_response(wire.started(await _job(request, "jobID"), await facts_of(request, core.pool)))


async def export_data(request: web.Request) -> web.Response:
    """POST /reports/v1.0/reports/exportdata: starts a report of the dues of one service."""
    core, principal = request.app[CORE], entitled(request, Permission.JOBS_CREATE)
    body = await read_json(request)
    asked = load(_EXPORT_IN, body)
    made = await submit_job(core, principal, Submission(exports.job(body, asked), origin=origin_of(request)))
    await publish_ahead(core.pool, principal.tenant_id, made.row["id"])
    core.dispatcher.changed(made.row["id"], principal.tenant_id)
    row = await core.reader.row(principal.tenant_id, made.row["id"])
    if row is None:
        raise control.no_such_job()
    return json_response(wire.started(row, await facts_of(request, core.pool)))


@open_to_all
async def download(request: web.Request) -> web.StreamResponse:
    """GET /documentmanagement/v1.0/aimsdocument/{documentId}/{token}: the document."""
    named = wire.read_id(request.match_info["documentId"])
    if named is None or not request.app[SIGNER].verify(named[0], request.match_info["token"]):
        raise wrong_token(request)
    found = await _published(request)
    if found is None:
        raise NotFound(_NO_DOCUMENT)
    return await follow(request, found.link)


async def read_document(request: web.Request) -> web.StreamResponse:
    """GET /documentmanagement/v1.0/aimsdocument/{documentId}: the document, or the request that made a job."""
    found = await _published(request)
    if found is None:
        row = await _job(request, "documentId")
        attachment = f"{base_url(request)}/api/jobs/{row['id']}/attachment"
        return json_response(request_of(row, attachment))
    link = found.link  # what all may have who were handed its token, the rest of the tenant may have without
    return await follow(request, replace(link, scope="organization") if link.scope == "public" else link)


_NO_DOCUMENT = "no such document"


async def _published(request: web.Request) -> Published | None:
    named = wire.read_id(request.match_info["documentId"])
    if named is None:
        raise NotFound(_NO_DOCUMENT)
    found = await published_by_id(request.app[POOL], named[0])
    if found is not None and named[1] not in (None, found.created_at):
        raise NotFound(_NO_DOCUMENT)
    return found


async def _job(request: web.Request, name: str) -> Row:
    """The job of the path, if the caller may see it. Raises NotFound, for a wrong time in the id too."""
    named = wire.read_id(request.match_info[name])
    if named is None:
        raise control.no_such_job()
    core, principal = request.app[CORE], principal_of(request)
    await core.reader.heading(principal, named[0])
    row = await core.reader.row(principal.tenant_id, named[0])
    if row is None or named[1] not in (None, row["created_at"]):
        raise control.no_such_job()
    return row


routes = (
    web.get(f"{wire.JOBS}/backgroundjob", list_jobs),
    web.get(f"{wire.JOBS}/backgroundjob/$count", count_jobs),
    web.get(f"{wire.JOBS}/$metadata", jobs_metadata),
    web.post("/jobsmanagement/v1.0/backgroundjob/{jobID}/rerun", rerun),
    web.get(f"{wire.DOCUMENTS}/aimsdocument", list_documents),
    web.get(f"{wire.DOCUMENTS}/$metadata", documents_metadata),
    web.get(f"{wire.DOCUMENT}/{{documentId}}", read_document),
    web.get(f"{wire.DOCUMENT}/{{documentId}}/{{token}}", download),
    web.post("/reports/v1.0/reports/exportdata", export_data),
)
