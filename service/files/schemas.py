"""Files, outputs and links as the API takes and shows them."""

from typing import Any

from marshmallow import Schema, fields, validate

from service.files.content import etag_of
from service.files.sharing import Link
from service.files.store import Output
from service.web.described import Shown

SCOPES = ("public", "private", "organization")
LONGEST_LINK = 10 * 366 * 24 * 3600
LARGEST_COUNT = 2**31 - 1


class LinkIn(Schema):
    """A new link; `expires_in` in seconds, the tenant's lifetime of links without it; no bound of downloads."""

    scope = fields.String(load_default="private", validate=validate.OneOf(SCOPES))
    expires_in = fields.Integer(
        strict=True, allow_none=True, load_default=None, validate=validate.Range(min=1, max=LONGEST_LINK)
    )
    max_downloads = fields.Integer(
        strict=True, allow_none=True, load_default=None, validate=validate.Range(min=1, max=LARGEST_COUNT)
    )


class OutputOut(Shown):
    """An output file of a job."""

    id = fields.UUID()
    name = fields.String()
    mime_type = fields.String()
    size = fields.Integer(validate=validate.Range(min=0))
    sha256 = fields.String(validate=validate.Regexp(r"[0-9a-f]{64}\Z"))
    available_formats = fields.List(fields.String())
    created_at = fields.AwareDateTime()
    expires_at = fields.AwareDateTime(allow_none=True)


class OutputsOut(Shown):
    """The outputs of a job's current run."""

    outputs = fields.List(fields.Nested(OutputOut))


class LinkOut(Shown):
    """A download link; `output_id` is null for the job's own publish link."""

    id = fields.UUID()
    output_id = fields.UUID(allow_none=True)
    url = fields.String(metadata={"format": "uri"})
    scope = fields.String(validate=validate.OneOf(SCOPES))
    expires_at = fields.AwareDateTime(allow_none=True)
    max_downloads = fields.Integer(allow_none=True, validate=validate.Range(min=1))
    downloads = fields.Integer(validate=validate.Range(min=0))
    revoked_at = fields.AwareDateTime(allow_none=True)
    created_at = fields.AwareDateTime()
    created_by = fields.String()


class LinksOut(Shown):
    """A page of links, newest first."""

    sometimes = frozenset({"next"})

    links = fields.List(fields.Nested(LinkOut))
    next = fields.String()


class UploadOut(Shown):
    """A file that was stored ahead of its job."""

    id = fields.UUID()
    name = fields.String()
    mime_type = fields.String()
    size = fields.Integer(validate=validate.Range(min=0))
    sha256 = fields.String(validate=validate.Regexp(r"[0-9a-f]{64}\Z"))
    created_at = fields.AwareDateTime()
    expires_at = fields.AwareDateTime()


class UploadQuery(Schema):
    """The query of an upload."""

    name = fields.String(load_default=None)


class ContentQuery(Schema):
    """The query of an output's content."""

    format = fields.String(load_default=None)


def output_view(output: Output) -> dict[str, Any]:
    """An output as it is shown."""
    return {
        "id": output.id,
        "name": output.file.name,
        "mime_type": output.file.mime_type,
        "size": output.file.size,
        "sha256": output.file.sha256.hex(),
        "available_formats": output.available_formats,
        "created_at": output.created_at,
        "expires_at": output.expires_at,
    }


def output_etag(output: Output) -> str:
    """The ETag of an output's description: what of it can change is when it expires."""
    moment = int(output.expires_at.timestamp() * 1000) if output.expires_at else 0
    return f'{etag_of(output.file)[:-1]}-{moment:x}"'


def link_view(link: Link, url: str) -> dict[str, Any]:
    """A link as it is shown; `url` holds its token."""
    return {
        "id": link.id,
        "output_id": link.output_id,
        "url": url,
        "scope": link.scope,
        "expires_at": link.expires_at,
        "max_downloads": link.max_downloads,
        "downloads": link.downloads,
        "revoked_at": link.revoked_at,
        "created_at": link.created_at,
        "created_by": link.created_by,
    }
