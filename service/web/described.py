"""What a feature says of its routes, for the OpenAPI document: data, and nothing that runs with a request.

Beside the routes of a feature stands a table from handler to Operation (service/jobs/openapi.py). What can be had from
the code is not said again: the path and its parameters are the route's, the text is the handler's docstring, every
shape is the marshmallow schema that loads it, every error is its class.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from marshmallow import Schema, fields

from service.errors import LavoriError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Shape = type[Schema] | Mapping[str, Any]
"""A marshmallow schema, or a JSON Schema in which a marshmallow schema may stand for a JSON Schema."""

JSON = "application/json"


class Shown(Schema):
    """The shape of an answer: all members are always there, save those of `sometimes`, and there are no others."""

    sometimes: frozenset[str] = frozenset()

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Require the member."""
        field_obj.required = field_name not in self.sometimes


@dataclass(frozen=True, slots=True)
class Body:
    """What a request carries, by media type; `example` is of those that are JSON."""

    content: Mapping[str, Shape]
    example: Any
    required: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """One way in which a call succeeds; without `content` it has no body. `headers` are names of HEADERS."""

    description: str
    content: Mapping[str, Shape] = field(default_factory=dict)
    example: Any = None
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One route. `takes` are names of REQUEST_HEADERS; `errors` stand besides those that its kind of call always has.

    `may_need` names the way to log in that an open route asks for in some cases; `path` describes those of its
    parameters that are no UUID; `links` leads from what was created or listed to other operations, by their ids, each
    with where its parameters stand in the answer; `more` is said after the handler's docstring.
    """

    id: str
    summary: str
    tag: str
    answers: Mapping[int, Answer]
    body: Body | None = None
    query: type[Schema] | None = None
    more_query: tuple[Mapping[str, Any], ...] = ()
    takes: tuple[str, ...] = ()
    errors: tuple[type[LavoriError], ...] = ()
    path: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    may_need: str | None = None
    links: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    more: str = ""


def body(shape: Shape, example: Any, *, required: bool = True, also: tuple[str, ...] = ()) -> Body:
    """A JSON body; `also` are other media types that it may be labelled with."""
    return Body(dict.fromkeys((JSON, *also), shape), example, required=required)


def answer(shape: Shape, example: Any, description: str, *headers: str) -> Answer:
    """A JSON answer."""
    return Answer(description, {JSON: shape}, example, headers)


_BYTES: Mapping[str, Any] = {}
FILE_HEADERS = ("ETag", "Accept-Ranges", "Content-Disposition", "Cache-Control")
FILE_ANSWERS: Mapping[int, Answer] = {
    200: Answer("The whole file, under its own media type.", {"*/*": _BYTES}, None, FILE_HEADERS),
    206: Answer("The range that was asked for.", {"*/*": _BYTES}, None, (*FILE_HEADERS, "Content-Range")),
    304: Answer("The client has it: its ETag is in If-None-Match.", headers=("ETag",)),
}
FILE_TAKES = ("Range", "If-Range", "If-Match", "If-None-Match")
NO_CONTENT = Answer("Done; there is nothing to say.")
UNCHANGED = Answer("What the client has is what there is: its ETag is in If-None-Match.", headers=("ETag",))

UUID_PATH: Mapping[str, Any] = {"type": "string", "format": "uuid"}


def leads(name: str, where: str, *operations: str) -> dict[str, dict[str, str]]:
    """Links to operations that take, as parameter `name`, what stands at `where` in the answer's body."""
    return {operation: {name: f"$response.body#/{where}"} for operation in operations}


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string", **more}}


def _number(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "integer", "minimum": 0}}


REQUEST_HEADERS: Mapping[str, Mapping[str, Any]] = {
    "X-Request-Id": _text(
        "An id of the client's own, which the response and the log then carry; one that is not sane is replaced.",
        example="order-4711",
    ),
    "traceparent": _text(
        "W3C Trace Context: its trace id stands in the log of this request and of the job that it makes, and goes on "
        "in the webhook that tells of that job's end.",
        example="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ),
    "X-Customer-Code": _text(
        "The code of the token's tenant; any other is refused with 403.", minLength=1, example="default"
    ),
    "Idempotency-Key": _text(
        "The same key with the same request gives the same job again; with another request it is refused.",
        minLength=1,
        maxLength=64,
        pattern="^[ -~]*$",
        example="order-4711",
    ),
    "If-Match": _text("Do it only while the resource has one of these ETags.", example='"7"'),
    "If-None-Match": _text("Answer 304 when the resource still has one of these ETags.", example='"7"'),
    "If-Range": _text("Heed Range only while the file has this ETag."),
    "Range": _text("One range of bytes; several, or broken ones, are ignored.", example="bytes=0-1023"),
    "Prefer": _text("`wait=N`: wait up to N seconds, 60 at most (RFC 7240).", example="wait=20"),
    "Last-Event-ID": _text(
        "The `id:` of the last event that arrived: the stream goes on after it.", example="7"
    ),
}

HEADERS: Mapping[str, Mapping[str, Any]] = {
    "X-Request-Id": _text("Leads to the lines of the log that this request made."),
    "ETag": _text("The version of what is shown, for If-Match and If-None-Match.", example='"7"'),
    "Location": _text("The path of what was made.", format="uri-reference"),
    "Link": _text('The next page, as `<…>; rel="next"`; absent on the last one.'),
    "Retry-After": _number("After how many seconds it is worth asking again."),
    "RateLimit": _text(
        "Under a limit of requests: how many are left (`r`), and in how many seconds all of them are again (`t`).",
        example='"tenant";r=42;t=18',
    ),
    "RateLimit-Policy": _text(
        "The limits themselves: `q` requests in `w` seconds.", example='"tenant";q=60;w=60'
    ),
    "Idempotency-Replayed": _text(
        "`true`: an earlier request with the same key had made this job.", enum=["true"]
    ),
    "Preference-Applied": _text("The wait that was granted.", example="wait=20"),
    "WWW-Authenticate": _text("The way to log in.", enum=["Bearer"]),
    "Accept-Ranges": _text("Ranges can be asked for.", enum=["bytes"]),
    "Last-Modified": _text("When the file was made."),
    "Content-Range": _text("Which bytes of how many these are.", example="bytes 0-1023/7340032"),
    "Content-Disposition": _text("The file's name (RFC 6266)."),
    "Cache-Control": _text("Who may keep it."),
    "Set-Cookie": _text(
        "The session, for a browser: `HttpOnly; SameSite=Strict`, and `Secure` off this machine. Between the two steps "
        "of a login at the provider, a cookie that is `SameSite=Lax`."
    ),
    "Vary": _text("What the answer depends on."),
}
