"""The job type callWebserviceEndpoint; docs/callWebserviceEndpoint.md says what it promises.

Each try is one call through the outbound client. What may go better another time (no connection, too slow, 429, most
of 5xx) is retryable; the engine does the retrying, after the pause that the server asks for.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema
from yarl import URL

from service.errors import OutboundRefused
from service.files.names import media_type
from service.jobs.jobtype import JobFailed, job_type
from service.web.encoding import dumps
from service.web.outbound import OutboundClient, Patience
from workers.context import JobContext
from workers.jobtypes.webservice.answer import kept, status_line

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
# The args' own timeout comes first, save that a connection must be there sooner.
PATIENCE = Patience(connect=10, answer=7_200, stall=7_200, total=7_200)
# The client's own business, or how a request is told from the next one.
NOT_TO_GIVE = (
    "host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "expect", "te", "trailer",
    "proxy-authorization", "proxy-connection",
)  # fmt: skip


HARMLESS = frozenset(
    (
        "accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "content-encoding",
        "content-language", "content-type", "date", "if-match", "if-modified-since", "if-none-match",
        "if-unmodified-since", "idempotency-key", "origin", "prefer", "range", "user-agent", "x-request-id",
    )
)  # fmt: skip
"""Headers whose values are shown; those of all others are secret."""


def _name(text: str) -> None:
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}", text):
        raise ValidationError("Not a header's name.")
    if text.lower() in NOT_TO_GIVE:
        raise ValidationError("This header cannot be given.")


def _may_be_secret(name: str) -> bool:
    return name.lower() not in HARMLESS


class Params(Schema):
    """What `args` holds."""

    url = fields.String(
        required=True,
        validate=validate.Length(1, 8_000),
        metadata={
            "format": "uri",
            "title": "URL",
            "description": "An http or https address on the public Internet, or one that the operator allows.",
            "example": "https://api.example.org/orders",
        },
    )
    method = fields.String(
        load_default="GET", validate=validate.OneOf(METHODS), metadata={"description": "The HTTP method."}
    )
    headers = fields.Dict(
        keys=fields.String(validate=_name),
        values=fields.String(
            validate=validate.Regexp(r"[\t\x20-\x7e\x80-\xff]{0,8000}\Z"), metadata={"secret": _may_be_secret}
        ),
        load_default=dict,
        validate=validate.Length(max=100),
        metadata={
            "description": "Headers of the request, by name. Their values are secret, save those of harmless ones."
        },
    )
    body = fields.Raw(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "Sent as JSON; under a Content-Type that is not JSON it is a text, and sent as it is."
        },
    )
    search_params = fields.Dict(
        data_key="searchParams",
        keys=fields.String(validate=validate.Length(1, 200)),
        load_default=dict,
        validate=validate.Length(max=200),
        metadata={
            "title": "Search parameters",
            "description": "Joined to the URL's query: texts, numbers, true or false, and lists of them.",
            "json_schema": {
                "additionalProperties": {
                    "type": ["string", "number", "boolean", "array"],
                    "items": {"type": ["string", "number", "boolean"]},
                }
            },
        },
    )
    timeout_seconds = fields.Integer(
        strict=True,
        load_default=30,
        validate=validate.Range(1, 3_600),
        metadata={"description": "How long one try may take, until the last byte of the answer."},
    )

    @validates_schema(skip_on_field_errors=True)
    def fits(self, given: Mapping[str, Any], **_: object) -> None:
        """What no field can say alone."""
        faults: dict[str, Any] = {}
        if (
            given["body"] is not None
            and not _is_json(given["headers"])
            and not isinstance(given["body"], str)
        ):
            faults["body"] = ["Must be a text under a Content-Type that is not JSON."]
        wrong = [
            name for name, value in given["search_params"].items()
            if not all(isinstance(one, str | int | float) for one in (value if isinstance(value, list) else [value]))
        ]  # fmt: skip
        if wrong:
            faults["searchParams"] = {
                name: ["Must be a text, a number, true, false, or a list."] for name in wrong
            }
        if faults:
            raise ValidationError(faults)


@job_type(
    "callWebserviceEndpoint",
    params=Params,
    name="Call a web service",
    category="Web services",
    max_attempts=3,
    example={
        "url": "https://api.example.org/orders",
        "method": "POST",
        "headers": {"Authorization": "Bearer a-token"},
        "body": {"order": 17},
        "searchParams": {"dry_run": True},
        "timeout_seconds": 30,
    },
)
async def call_webservice(job: JobContext) -> str | None:
    """Call an HTTP endpoint; the body of its response is the output."""
    args = job.args
    url, method, seconds = _address(args), args["method"], args["timeout_seconds"]
    where = f"{method} {url.origin()}{url.path}"  # without the query, which may hold what is nobody else's business
    job.progress(status_text="Calling")
    job.message(f"{where}: try {job.attempt}")
    began = time.monotonic()
    client = OutboundClient(job.settings.outbound_allow, patience=PATIENCE)
    body, headers = _request(job, args)
    limit = asyncio.timeout(seconds)
    try:
        async with limit, client.request(method, str(url), headers, body) as response:
            output = await kept(job, response)
    except TimeoutError:
        if not limit.expired():
            raise
        job.message(f"{where}: no answer within {seconds} seconds", level="warning")
        message = f"{url.host} did not answer within {seconds} seconds"
        raise JobFailed("timed_out", message, retryable=True) from None
    except Exception as error:
        job.message(f"{where}: {error}", level="warning")
        raise
    job.message(f"{where}: {status_line(response.status)} after {time.monotonic() - began:.2f} seconds")
    return output


def _address(args: Mapping[str, Any]) -> URL:
    try:
        url = URL(args["url"])
    except ValueError:
        raise OutboundRefused("the address is not valid") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise OutboundRefused("only whole addresses that begin with http:// or https:// are called")
    pairs = [
        (name, _shown(one))
        for name, value in args["search_params"].items()
        for one in (value if isinstance(value, list) else [value])
    ]
    return url.extend_query(pairs) if pairs else url


def _shown(value: object) -> str:
    return value if isinstance(value, str) else dumps(value).decode()


def _is_json(headers: Mapping[str, str]) -> bool:
    """Whether a body under these headers is JSON, which it is unless they name another type."""
    declared = [value for name, value in headers.items() if name.lower() == "content-type"]
    kind = media_type(declared[0], "") if declared else "application/json"
    return kind == "application/json" or kind.endswith("+json")


def _request(job: JobContext, args: Mapping[str, Any]) -> tuple[bytes | None, dict[str, str]]:
    """The body's bytes, and the headers; a try that comes twice can be told by the Idempotency-Key."""
    headers: dict[str, str] = dict(args["headers"])
    given = {name.lower() for name in headers}
    if args["method"] in ("POST", "PATCH") and "idempotency-key" not in given:
        headers["Idempotency-Key"] = f"{job.id}-{job.run}"
    if args["body"] is None:
        return None, headers
    if not _is_json(headers):
        return args["body"].encode(), headers
    if "content-type" not in given:
        headers["Content-Type"] = "application/json"
    return dumps(args["body"]), headers
