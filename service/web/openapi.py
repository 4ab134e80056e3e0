"""GET /api/openapi.json: OpenAPI 3.1, made of the routes themselves.

apispec turns schemas into JSON Schema 2020-12; a plugin of ours reads the routes, their handlers and what stands in
described.py's tables. What every call has (a request id, the tenant's code, the problems of its kind) is said here.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from inspect import cleandoc
from typing import Any

from aiohttp import hdrs, web
from apispec import APISpec, BasePlugin

from service.errors import (
    Fault,
    Forbidden,
    Invalid,
    LavoriError,
    Malformed,
    NotFound,
    RangeNotSatisfiable,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)
from service.web.described import HEADERS, JSON, REQUEST_HEADERS, UUID_PATH, Answer, Handler, Operation, Shape
from service.web.encoding import dumps
from service.web.middleware import PROBLEM_JSON, Refusal, problem
from service.web.shapes import Shapes

DIALECT = "https://spec.openapis.org/oas/3.1/dialect/base"  # JSON Schema 2020-12, and the words of OpenAPI
ANYWHERE = (LavoriError, Malformed, Unavailable)
LIMITED = ("RateLimit", "RateLimit-Policy")  # where the tenant has set a limit
_PARAMETER = re.compile(r"\{(\w+)(?::[^{}]*)?\}")
_CALL = re.compile(r"\A(?:GET|POST|PUT|PATCH|DELETE)\s\S+?(?::\s|\.\Z|\.\s|\Z)")

_RAISES = re.compile(r"\s?Raises [A-Z][^.]*\.")


@dataclass(frozen=True, slots=True)
class ErrorForm:
    """How errors look where they are no problems: what the JSON is like, and status and body of each error."""

    schema: Shape
    refusal: Refusal


class Document:
    """The document of these routes; made when it is first asked for."""

    def __init__(
        self,
        routes: Iterable[web.RouteDef],
        operations: Mapping[Handler, Operation],
        words: Mapping[str, str],
        *,
        is_open: Callable[[Handler], bool],
        about: Mapping[str, Any],
        schemas: Callable[[], Mapping[str, Mapping[str, Any]]] = dict,
        errors: ErrorForm | None = None,
    ) -> None:
        self._routes, self._operations, self._words = tuple(routes), operations, words
        self._is_open, self._about, self._schemas = is_open, about, schemas
        self._errors = errors

    @cached_property
    def json(self) -> bytes:
        """The document as it is sent."""
        return dumps(self.made)

    @cached_property
    def made(self) -> dict[str, Any]:
        """The document. Raises KeyError for a handler that no table describes."""
        about = dict(self._about)
        info = about.pop("info")
        spec = APISpec(
            info["title"],
            info["version"],
            "3.1.0",
            [Shapes(self._words), Routes(self._errors)],
            info=info,
            jsonSchemaDialect=DIALECT,
            **about,
        )
        spec.components.security_scheme("bearer", _BEARER)
        spec.components.security_scheme("metrics", _METRICS)
        for name, header in HEADERS.items():
            spec.components.header(name, dict(header))
        for name, parameter in REQUEST_HEADERS.items():
            spec.components.parameter(name, "header", {"name": name, **parameter})
        if self._errors is None:
            spec.components.schema("Problem", _PROBLEM)
        for name, schema in self._schemas().items():
            spec.components.schema(name, dict(schema))
        for route in self._routes:
            operation = self._operations[route.handler]
            spec.path(route=route, operation=operation, is_open=self._is_open(route.handler))
        return spec.to_dict()


class Routes(BasePlugin):
    """The plugin of apispec that turns a route and its Operation into a path."""

    def __init__(self, errors: ErrorForm | None) -> None:
        self._errors = errors

    def init_spec(self, spec: APISpec) -> None:
        """Keep the spec, whose components operations refer to."""
        self._spec = spec

    def path_helper(
        self,
        path: str | None = None,
        operations: dict[str, Any] | None = None,
        parameters: list[dict[str, Any]] | None = None,
        **given: Any,
    ) -> str:
        """Give the path as OpenAPI writes it, and put the route's operation into `operations`."""
        del path, parameters  # all is in the route
        route: web.RouteDef = given["route"]
        operation: Operation = given["operation"]
        assert operations is not None  # noqa: S101 - apispec hands in a dictionary
        operations[route.method.lower()] = self._operation(route, operation, is_open=given["is_open"])
        return _PARAMETER.sub(r"{\1}", route.path)

    def _operation(self, route: web.RouteDef, told: Operation, *, is_open: bool) -> dict[str, Any]:
        inner = _PARAMETER.findall(route.path)
        login = told.may_need == "bearer" or not is_open
        made: dict[str, Any] = {
            "operationId": told.id,
            "summary": told.summary,
            "description": _description(route.handler, told),
            "tags": [told.tag],
            "parameters": [
                *(_path_parameter(name, told) for name in inner),
                *([{"in": "query", "schema": told.query}] if told.query else []),
                *(dict(one) for one in told.more_query),
                *told.takes,
                *(["X-Customer-Code"] if login else []),
                "X-Request-Id",
                "traceparent",
            ],
            "responses": self._responses(told, login=login, inner=bool(inner)),
        }
        if told.body is not None:
            made["requestBody"] = {
                "required": told.body.required,
                "content": {
                    kind: {"schema": _schema(shape)}
                    | (
                        {"example": told.body.example}
                        if told.body.example is not None and "json" in kind
                        else {}
                    )
                    for kind, shape in told.body.content.items()
                },
            }
        if is_open:
            made["security"] = [{}, {told.may_need: []}] if told.may_need else []
        if not route.path.startswith("/api/"):
            made["servers"] = [{"url": "/"}]
        return made

    def _responses(self, told: Operation, *, login: bool, inner: bool) -> dict[str, Any]:
        errors: list[type[LavoriError]] = [*ANYWHERE, *told.errors]
        if login:
            errors += [Unauthenticated, Forbidden, RateLimited]
        if inner:
            errors.append(NotFound)
        if told.body is not None:
            errors += [TooLarge, UnsupportedMediaType]
            if "application/json" in told.body.content:
                errors.append(Invalid)
        by_status: dict[int, list[type[LavoriError]]] = {}
        for error in dict.fromkeys(errors):
            by_status.setdefault(self._status(error), []).append(error)
        succeeds = {
            str(status): _success(one, LIMITED if login else ()) for status, one in told.answers.items()
        }
        if told.links:
            links = {
                name: {"operationId": name, "parameters": dict(given)} for name, given in told.links.items()
            }
            succeeds["201" if "201" in succeeds else "200"]["links"] = links
        return {str(status): self._problem(alike) for status, alike in sorted(by_status.items())} | succeeds

    def _status(self, error: type[LavoriError]) -> int:
        return error.status if self._errors is None else self._errors.refusal(_instance(error))[0]

    def _problem(self, alike: list[type[LavoriError]]) -> str:
        """The name of the component that describes the errors of one status."""
        known = {error.code: error for error in sorted(alike, key=lambda one: one.code)}
        name = "_or_".join(known)
        if name not in self._spec.components.responses:
            headers = ["X-Request-Id"]
            if Unauthenticated in alike:
                headers.append("WWW-Authenticate")
            if RangeNotSatisfiable in alike:
                headers.append("Content-Range")
            if RateLimited in alike:
                headers += LIMITED
            if any(error.retry_after is not None for error in alike):
                headers.append("Retry-After")
            self._spec.components.response(
                name,
                {
                    "description": " ".join(dict.fromkeys(_first_line(error) for error in alike)),
                    "headers": {header: header for header in headers},
                    "content": self._content(known),
                },
            )
        return name

    def _content(self, known: Mapping[str, type[LavoriError]]) -> dict[str, Any]:
        if self._errors is not None:
            refusal = self._errors.refusal
            examples = {code: {"value": refusal(_instance(error))[1]} for code, error in known.items()}
            return {JSON: {"schema": _schema(self._errors.schema), "examples": examples}}
        schema = {
            "allOf": [{"$ref": "#/components/schemas/Problem"}],
            "properties": {
                "status": {"const": next(iter(known.values())).status},
                "code": {"enum": list(known)},
            },
        }
        examples = {code: {"value": _example(error)} for code, error in known.items()}
        return {PROBLEM_JSON: {"schema": schema, "examples": examples}}


async def openapi(request: web.Request) -> web.Response:
    """GET /api/openapi.json: this document."""
    # The first one makes it, which takes a moment: off the loop.
    body = await asyncio.to_thread(getattr, request.app[DOCUMENT], "json")
    return web.Response(
        body=body,
        headers={hdrs.CONTENT_TYPE: "application/json; charset=utf-8", hdrs.CACHE_CONTROL: "no-cache"},
    )


DOCUMENT = web.AppKey("document", Document)

routes = [web.get("/api/openapi.json", openapi)]


def _path_parameter(name: str, told: Operation) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": dict(told.path.get(name, UUID_PATH))}


def _description(handler: Handler, told: Operation) -> str:
    text = _RAISES.sub("", " ".join(_CALL.sub("", cleandoc(handler.__doc__ or "")).split()))
    whole = f"{text[:1].upper()}{text[1:]}"
    return "\n\n".join(part for part in (whole, told.more) if part)


def _success(one: Answer, more: tuple[str, ...]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "description": one.description,
        "headers": {name: name for name in (*one.headers, *more, "X-Request-Id")},
    }
    if one.content:
        first = next(iter(one.content))
        made["content"] = {
            kind: {"schema": _schema(shape)}
            | ({"example": one.example} if one.example is not None and kind == first else {})
            for kind, shape in one.content.items()
        }
    return made


def _schema(shape: Shape) -> Any:
    return dict(shape) if isinstance(shape, Mapping) else shape


def _first_line(error: type[LavoriError]) -> str:
    return (error.__doc__ or "").strip().splitlines()[0]


def _instance(error: type[LavoriError]) -> LavoriError:
    """An error of this kind as one is raised; each has its own way of being made, which examples don't need."""
    made = error.__new__(error)
    Exception.__init__(made, _first_line(error))
    if isinstance(made, Invalid):
        pointer = "#/type" if error.code == "unknown_job_type" else "#/args/service_id"
        made.faults = [Fault(pointer, "Missing data for required field.")]
    return made


def _example(error: type[LavoriError]) -> dict[str, Any]:
    return problem(_instance(error), "/api/jobs")


_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key: `POST /api/keys` makes one, and shows it that once. Where the operator has set "
    "`OIDC_ISSUER`, also a JWT of that issuer.",
}

_METRICS = {
    "type": "http",
    "scheme": "bearer",
    "description": "The token of `LAVORI_METRICS_TOKEN`, where the operator has set one.",
}

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457. Programs decide by `code`; people read `detail`; `/problems/{code}` explains.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "The path of the request."},
        "code": {"type": "string", "description": "Stable, and documented."},
        "errors": {
            "type": "array",
            "description": "Every fault of a body at once.",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {
                        "type": "string",
                        "description": "A JSON pointer as a URI fragment.",
                        "examples": ["#/args/service_id"],
                    },
                    "detail": {"type": "string"},
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}
