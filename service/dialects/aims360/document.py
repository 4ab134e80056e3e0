"""AIMS360's calls for the OpenAPI document."""

from collections.abc import Iterable, Mapping
from typing import Any

from service.access.middleware import is_open
from service.dialects.aims360 import entities, exports, routes, wire
from service.dialects.aims360.entities import LONG, REAL, TEXT, TIME, WHOLE, EntitySet
from service.dialects.aims360.options import MOST
from service.errors import (
    CapExceeded,
    Gone,
    NotImplementedHere,
    NotReady,
    PreconditionFailed,
    RangeNotSatisfiable,
    Unauthenticated,
    UnknownJobType,
    WrongState,
)
from service.web.about import ABOUT
from service.web.described import FILE_ANSWERS, FILE_TAKES, Answer, Handler, Operation, answer, body
from service.web.openapi import Document, ErrorForm

TAGS = ("Jobs", "Documents", "Exports")
_STRING: Mapping[str, Any] = {"type": "string"}
_TYPES: Mapping[str, Mapping[str, Any]] = {
    TEXT: _STRING,
    WHOLE: {"type": "integer", "format": "int32"},
    LONG: {"type": "integer", "format": "int64"},
    REAL: {"type": "number"},
    TIME: {"type": "string", "format": "date-time"},
}
_ID = {"type": "string", "example": "6576767c-a264-4fc5-a30b-45e7a8c2fa84-20190820145631886"}
_LINK = "https://jobs.example.org/documentmanagement/v1.0/aimsdocument/6576767c-a264-4fc5-a30b-45e7a8c2fa84-20190820145631886"


def _object(members: Mapping[str, Any], required: Iterable[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(members),
        "required": list(required),
        "additionalProperties": False,
    }


def _or_null(shape: Mapping[str, Any]) -> dict[str, Any]:
    return {**shape, "type": [shape["type"], "null"]}


def _page(kind: EntitySet) -> dict[str, Any]:
    members = {
        one.name: _or_null(_TYPES[one.type]) if one.nullable else dict(_TYPES[one.type])
        for one in kind.properties
    }
    entity = _object({"@odata.etag": _STRING, **members}, ["@odata.etag"])
    envelope = {
        "@odata.context": _STRING,
        "@odata.count": {"type": "integer"},
        "value": {"type": "array", "items": entity},
        "@odata.nextLink": _STRING,
    }
    return _object(envelope, ["@odata.context", "value"])


def _option(name: str, schema: Mapping[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": dict(schema)}


_NUMBER = {"type": "integer", "minimum": 0, "maximum": MOST}
_OPTIONS = (
    _option(
        "$filter",
        _STRING,
        "`eq ne gt ge lt le in`, `and or not`, parentheses, `contains startswith endswith`.",
    ),
    _option("$orderby", _STRING, "Names of properties, each with `asc` or `desc` behind it or nothing."),
    _option("$select", _STRING, "Names of properties; `*` for all."),
    _option("$count", {"type": "string", "enum": ["true", "false"]}, "How many there are on all pages."),
    _option("$top", _NUMBER, "At most so many, in pages of 100."),
    _option("$skip", _NUMBER, "Leave so many out."),
    _option("$skiptoken", _STRING, "Where a next page begins; `@odata.nextLink` has it."),
)
_STARTED = _object(
    {
        "jobId": _STRING,
        "jobStatus": _STRING,
        "publishLink": {"type": ["string", "null"]},
        "publishLinkAccessScope": {"enum": [word.upper() for word in wire.SCOPES.values()]},
    },
    ("jobId", "jobStatus", "publishLink", "publishLinkAccessScope"),
)
_QUEUED = answer(
    _STARTED,
    {
        "jobId": _ID["example"],
        "jobStatus": "Queued",
        "publishLink": _LINK,
        "publishLinkAccessScope": "PRIVATE",
    },
    "The job is in the queue.",
)
_METADATA = {200: Answer("The EDMX document.", {"application/xml": _STRING})}
_EXPORT = {
    "exportType": "View",
    "exportDataSettings": {"Source": "5f0c3c1e-6f0b-4a0e-9f39-1d1b7a6a2a11", "viewName": "Open dues"},
    "exportCriteriaVersion": "v1.0",
    "outputFormat": "CSV",
    "publishLinkAccessScope": "Private",
}
_OF_A_FILE = (NotReady, Gone, RangeNotSatisfiable, PreconditionFailed)


def _list(id_: str, summary: str, tag: str, kind: EntitySet) -> Operation:
    example = {"@odata.context": f"https://jobs.example.org{kind.root}/$metadata#{kind.name}", "value": []}
    answers = {200: answer(_page(kind), example, "A page.")}
    return Operation(id_, summary, tag, answers, more_query=_OPTIONS, errors=(NotImplementedHere,))


OPERATIONS: Mapping[Handler, Operation] = {
    routes.list_jobs: _list("aims360_list_jobs", "List jobs", "Jobs", entities.JOBS),
    routes.count_jobs: Operation(
        "aims360_count_jobs",
        "Count jobs",
        "Jobs",
        {200: Answer("The number.", {"text/plain": {"type": "string"}})},
        more_query=_OPTIONS[:1],
    ),
    routes.jobs_metadata: Operation("aims360_jobs_metadata", "What a job is", "Jobs", _METADATA),
    routes.rerun: Operation(
        "aims360_rerun",
        "Run an ended job again",
        "Jobs",
        {200: _QUEUED},
        errors=(WrongState, CapExceeded),
        path={"jobID": _ID},
    ),
    routes.list_documents: _list("aims360_list_documents", "List documents", "Documents", entities.DOCUMENTS),
    routes.documents_metadata: Operation(
        "aims360_documents_metadata", "What a document is", "Documents", _METADATA
    ),
    routes.read_document: Operation(
        "aims360_read_document",
        "Download a document, or read a job's original request",
        "Documents",
        FILE_ANSWERS,
        takes=FILE_TAKES,
        errors=_OF_A_FILE,
        path={"documentId": _ID},
    ),
    routes.download: Operation(
        "aims360_download",
        "Download a document by its link",
        "Documents",
        FILE_ANSWERS,
        takes=FILE_TAKES,
        errors=(*_OF_A_FILE, Unauthenticated),
        path={"documentId": _ID, "token": _STRING},
        may_need="bearer",
    ),
    routes.export_data: Operation(
        "aims360_export_data",
        "Export the dues of a service",
        "Exports",
        {200: _QUEUED},
        body=body(exports.ExportIn, _EXPORT),
        errors=(UnknownJobType, CapExceeded),
    ),
}
WORDS = {
    "Source": "The id of the service.",
    "viewName": "Kept, and given back by `requestURL`.",
    "exportType": "Kept, and given back by `requestURL`.",
    "exportCriteriaVersion": "Kept, and given back by `requestURL`.",
    "outputFormat": "`JSON`, `CSV` or `Excel`, in any case.",
    "publishLinkAccessScope": "Whom the link lets in: `Public`, `Private` or `PeopleInOrganization`, in any case.",
}
_ERROR = _object({"error": _object({"code": _STRING, "message": _STRING}, ("code", "message"))}, ("error",))
ABOUT_AIMS360 = {
    **{name: told for name, told in ABOUT.items() if name != "servers"},
    "info": {
        **ABOUT["info"],
        "title": "Lavori for clients of AIMS360",
        "description": "Jobs and documents by OData, and exports.",
    },
    "tags": [{"name": name} for name in TAGS],
}
DOCUMENT = Document(
    routes.routes,
    OPERATIONS,
    WORDS,
    is_open=is_open,
    about=ABOUT_AIMS360,
    errors=ErrorForm(_ERROR, wire.refusal),
)
