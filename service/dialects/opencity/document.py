"""OpenCity's version 1 for the OpenAPI document."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web
from marshmallow import Schema, fields, validate

from service.access.middleware import is_open
from service.dialects.opencity import routes, wire
from service.jobs import listing
from service.jobs import routes as native
from service.jobs.listing import ListIn
from service.jobs.openapi import OPERATIONS as NATIVE
from service.jobs.shown import JobOut
from service.jobs.words import WORDS
from service.web.about import ABOUT
from service.web.described import Handler, Operation, Shown, answer
from service.web.openapi import Document

TEXT: Any = {"allow_none": True}
JOB = {
    "attachment": {"name": "dovuti.csv", "mime_type": "text/csv"},
    "id": "0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f",
    "type": "import_dovuti",
    "status": "running",
    "args": {"service_id": "5ca1ab1e-0000-4000-8000-000000000001"},
    "output": None,
    "running_output": "row 42000 of 100000",
    "started_at": "2026-05-31T09:19:18.779Z",
    "terminated_at": None,
    "created_at": "2026-05-31T09:19:18.779Z",
    "updated_at": "2026-05-31T09:19:18.779Z",
}


class OpenCityAttachmentOut(Shown):
    """The attachment of a job."""

    name = fields.String()
    mime_type = fields.String()


class OpenCityJobOut(Shown):
    """A job in version 1."""

    attachment = fields.Nested(OpenCityAttachmentOut, allow_none=True)
    id = fields.UUID()
    type = fields.String()
    status = fields.String(validate=validate.OneOf(wire.STATUSES))
    args = fields.Dict()
    output = fields.String(**TEXT)
    running_output = fields.String(**TEXT)
    started_at = fields.AwareDateTime(**TEXT)
    terminated_at = fields.AwareDateTime(**TEXT)
    created_at = fields.AwareDateTime()
    updated_at = fields.AwareDateTime()


class OpenCityJobsOut(Shown):
    """A page of jobs."""

    sometimes = frozenset({"next", "count"})

    jobs = fields.List(fields.Nested(OpenCityJobOut))
    next = fields.String()
    count = fields.Integer(validate=validate.Range(0))


class OpenCityListIn(ListIn):
    """The query of the list, where a word of `status` means every status that it stands for."""

    class Meta:
        """Version 1 has exactly its fields."""

        exclude = ("fields_", "include")

    status = fields.List(fields.String(validate=validate.OneOf(wire.STATUSES)), load_default=None)


_VERSION = "The request says `X-Accept-Version: 1` or `?version=1`; without, this is the native call."


def _told(operation: Operation, query: type[Schema] | None = None) -> Operation:
    """The native operation, with the job as version 1 shows it."""
    answers = {
        status: answer(OpenCityJobOut, JOB, one.description, *one.headers)
        if JobOut in one.content.values()
        else one
        for status, one in operation.answers.items()
    }
    if query:
        answers = {200: answer(OpenCityJobsOut, {"jobs": [JOB]}, "A page of jobs.", "Link")}
    elif operation.id == "read_job":
        answers[200] = answer(OpenCityJobOut, JOB, "The job.", "ETag", "Retry-After", "Preference-Applied")
    return replace(operation, answers=answers, query=query, more_query=(), links={}, more=_VERSION)


OPERATIONS: Mapping[Handler, Operation] = {
    routes.create: _told(NATIVE[native.create]),
    routes.read: _told(NATIVE[native.read]),
    routes.list_: _told(NATIVE[listing.list_], OpenCityListIn),
    routes.patch: _told(NATIVE[native.patch]),
    routes.put: _told(NATIVE[native.put]),
    routes.delete: _told(NATIVE[native.delete]),
}
ABOUT_OPENCITY = {
    **ABOUT,
    "info": {**ABOUT["info"], "title": "Lavori for clients of OpenCity", "description": _VERSION},
    "tags": [one for one in ABOUT["tags"] if one["name"] == "Jobs"],
}
DOCUMENT = Document(
    [
        web.RouteDef(route.method, route.path, routes.IN_PLACE_OF[route.handler], route.kwargs)
        for route in (*native.routes, *listing.routes)
        if route.handler in routes.IN_PLACE_OF
    ],
    OPERATIONS,
    WORDS,
    is_open=is_open,
    about=ABOUT_OPENCITY,
)
