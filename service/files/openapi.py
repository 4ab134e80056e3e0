"""The routes of files and links, for the OpenAPI document."""

from service.access.listing import PageIn
from service.errors import (
    CapExceeded,
    Gone,
    Malformed,
    NotConvertible,
    NotReady,
    PreconditionFailed,
    RangeNotSatisfiable,
    StorageFull,
    TooLarge,
    UnsupportedMediaType,
)
from service.files import routes
from service.files.download import download
from service.files.schemas import (
    ContentQuery,
    LinkIn,
    LinkOut,
    LinksOut,
    OutputOut,
    OutputsOut,
    UploadOut,
    UploadQuery,
)
from service.web.described import (
    FILE_ANSWERS,
    FILE_TAKES,
    NO_CONTENT,
    UNCHANGED,
    UUID_PATH,
    Body,
    Operation,
    answer,
    body,
    leads,
)

TAG = "Files"
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_FILE_ERRORS = (PreconditionFailed, RangeNotSatisfiable)

UPLOAD = {
    "id": "0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e60",
    "name": "dovuti.csv",
    "mime_type": "text/csv",
    "size": 7340032,
    "sha256": _SHA256,
    "created_at": "2026-11-22T10:41:19.123Z",
    "expires_at": "2026-11-23T10:41:19.123Z",
}
OUTPUT = {
    "id": "0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e61",
    "name": "rejected.csv",
    "mime_type": "text/csv",
    "size": 812,
    "sha256": _SHA256,
    "available_formats": ["csv", "xlsx", "json", "parquet"],
    "created_at": "2026-11-22T10:41:25.480Z",
    "expires_at": None,
}
_TOKEN = "Zt0fZ1cS" + "0" * 43
LINK = {
    "id": "0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e62",
    "output_id": OUTPUT["id"],
    "url": f"https://lavori.example.org/d/0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e62/{_TOKEN}",
    "scope": "organization",
    "expires_at": "2026-11-29T10:41:19.123Z",
    "max_downloads": 5,
    "downloads": 0,
    "revoked_at": None,
    "created_at": "2026-11-22T10:41:30.002Z",
    "created_by": "anna@example.org",
}

OPERATIONS = {
    routes.create_attachment: Operation(
        "create_attachment",
        "Store a file ahead of its job",
        TAG,
        {201: answer(UploadOut, UPLOAD, "The file is stored.")},
        query=UploadQuery,
        body=Body({"application/octet-stream": {}, "text/csv": {}}, None, required=False),
        errors=(Malformed, TooLarge, UnsupportedMediaType, CapExceeded, StorageFull),
        more="The body is the file itself, under any media type but that of a form.",
    ),
    routes.read_attachment: Operation(
        "read_attachment",
        "Download a job's attachment",
        TAG,
        FILE_ANSWERS,
        takes=FILE_TAKES,
        errors=_FILE_ERRORS,
    ),
    routes.list_outputs: Operation(
        "list_outputs",
        "List a job's outputs",
        TAG,
        {200: answer(OutputsOut, {"outputs": [OUTPUT]}, "The outputs.")},
        links={
            operation: {"id": "$request.path.id", **given}
            for operation, given in leads(
                "output_id", "outputs/0/id", "read_output", "read_content", "create_link", "list_links"
            ).items()
        },
    ),
    routes.read_output: Operation(
        "read_output",
        "Read what an output is",
        TAG,
        {200: answer(OutputOut, OUTPUT, "The output.", "ETag"), 304: UNCHANGED},
        takes=("If-None-Match",),
    ),
    routes.read_content: Operation(
        "read_content",
        "Download an output",
        TAG,
        FILE_ANSWERS,
        query=ContentQuery,
        takes=FILE_TAKES,
        errors=(*_FILE_ERRORS, NotConvertible, CapExceeded, StorageFull),
    ),
    routes.create_link: Operation(
        "create_link",
        "Make a download link",
        TAG,
        {201: answer(LinkOut, LINK, "The link.")},
        body=body(
            LinkIn, {"scope": "organization", "expires_in": 604800, "max_downloads": 5}, required=False
        ),
        links={
            "revoke_link": {
                "id": "$request.path.id",
                "output_id": "$request.path.output_id",
                "link_id": "$response.body#/id",
            }
        },
    ),
    routes.list_links: Operation(
        "list_links",
        "List an output's links",
        TAG,
        {200: answer(LinksOut, {"links": [LINK]}, "A page of links.", "Link")},
        query=PageIn,
    ),
    routes.revoke_link: Operation("revoke_link", "Revoke a download link", TAG, {204: NO_CONTENT}),
    download: Operation(
        "download",
        "Follow a download link",
        TAG,
        FILE_ANSWERS,
        takes=FILE_TAKES,
        errors=(*_FILE_ERRORS, NotReady, Gone),
        path={"link": UUID_PATH, "token": {"type": "string", "pattern": "^[A-Za-z0-9_-]{51}$"}},
        may_need="bearer",
        more="A `public` link needs no login, `private` that of the job's creator, `organization` one of the tenant.",
    ),
}

WORDS = {
    "downloads": "How many there have been.",
    "max_downloads": "So many downloads, and no more; null for any number.",
    "scope": "Who may follow the link: all, the job's creator alone, or whoever is of the tenant.",
    "url": "Where it is.",
    "links": "Newest first; those that are over too.",
    "output_id": "The output that it leads to; null for the job's own publish link.",
    "revoked_at": "When it was revoked; null for one that is good.",
    "available_formats": "The formats that it can be had in.",
    "LinkIn.expires_in": "In seconds; the tenant's lifetime of links when it is not given.",
    "UploadQuery.name": "The file's name; `attachment` when it is not given.",
    "ContentQuery.format": "The ending of the format that is wanted; any but one that the output has is refused.",
}
