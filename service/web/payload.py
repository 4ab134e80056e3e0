"""Bodies in and out: orjson on the wire, marshmallow as the one description of every shape."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from aiohttp import web
from marshmallow import Schema, ValidationError, fields
from multidict import MultiMapping

from service.errors import Fault, Invalid, Malformed, TooLarge, UnsupportedMediaType
from service.web.acceptor import Refused, acceptor_of

MAX_DEPTH = 64
JSON = {"Content-Type": "application/json; charset=utf-8"}


def dumps(value: object) -> bytes:
    """JSON with times in RFC 3339 UTC, milliseconds and Z; an `orjson.Fragment` passes through as it is."""
    return orjson.dumps(value, _default, orjson.OPT_PASSTHROUGH_DATETIME)


def _default(value: object) -> str:
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, UUID):  # asyncpg's own subclass
        return str(value)
    raise TypeError


def timestamp(value: datetime) -> str:
    """A time in UTC as the API shows it: `2026-11-22T10:41:19.123Z`."""
    return value.isoformat(timespec="milliseconds")[:23] + "Z"


def fragment(text: str | None) -> orjson.Fragment | None:
    """JSON text of the database, to be passed on without parsing it."""
    return None if text is None else orjson.Fragment(text)


def json_response(
    value: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A response with a JSON body."""
    return web.Response(body=dumps(value), status=status, headers={**JSON, **headers} if headers else JSON)


async def read_json(request: web.Request) -> Any:
    """The body as JSON. Raises Malformed, TooLarge, UnsupportedMediaType, and Invalid for a NUL in a text."""
    kind = request.content_type
    named = "Content-Type" in request.headers and request.can_read_body
    if named and kind != "application/json" and not kind.endswith("+json"):
        message = f"expected application/json, not {kind}"
        raise UnsupportedMediaType(message)
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise TooLarge("the body", request.client_max_size) from None
    return parse_json(body)


def parse_json(body: bytes) -> Any:
    """JSON of at most 64 levels, without NUL characters, which PostgreSQL can't keep."""
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _depth(body) > MAX_DEPTH:
        message = f"the body is nested deeper than {MAX_DEPTH} levels"
        raise Malformed(message)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        message = f"the body is no JSON: {error}"
        raise Malformed(message) from None
    if b"\\u0000" in body and (
        faults := [Fault(pointer, "contains a NUL character") for pointer in _nuls(value, "#")]
    ):
        raise Invalid(faults)
    return value


async def read_body(request: web.Request, schema: Schema) -> dict[str, Any]:
    """The body, loaded by `schema`; raises Invalid with every fault at once."""
    return load(schema, await read_json(request))


def load(schema: Schema, value: object, at: str = "#") -> dict[str, Any]:
    """Load one JSON value by `schema`: the compiled acceptor takes what is right, marshmallow explains what is not."""
    if not isinstance(value, dict):
        raise Invalid([Fault(at, "must be a JSON object")])
    try:
        return acceptor_of(schema)(value)
    except Refused:
        pass  # not an answer yet: marshmallow decides, and says why
    try:
        return dict(schema.load(value))
    except ValidationError as error:
        raise Invalid(_faults(error.messages, at)) from None


def query(request: web.Request, schema: Schema) -> dict[str, Any]:
    """The query parameters, loaded by `schema`; a field of the kind List takes repeated and comma-separated values."""
    return load_query(request.query, schema)


def load_query(parameters: MultiMapping[str], schema: Schema) -> dict[str, Any]:
    """Query parameters, loaded as `query` does. Raises Malformed, which names what is wrong with each."""
    values: dict[str, Any] = {}
    lists = {field.data_key or name for name, field in schema.fields.items() if isinstance(field, fields.List)}
    for name in parameters:
        given = parameters.getall(name)
        if name in lists:
            values[name] = [word for text in given for word in text.split(",") if word]
        elif len(given) > 1:
            message = f"query parameter {name} is given {len(given)} times"
            raise Malformed(message)
        else:
            values[name] = given[0]
        if any("\0" in text for text in given):
            message = f"query parameter {name} contains a NUL character"
            raise Malformed(message)
    try:
        return dict(schema.load(values))
    except ValidationError as error:
        faults = _faults(error.messages, "")
        message = "; ".join(f"{fault.pointer.removeprefix('/')}: {fault.detail}" for fault in faults)
        raise Malformed(message) from None


def _faults(messages: object, at: str) -> list[Fault]:
    if isinstance(messages, dict):
        return [
            fault
            for name, inner in messages.items()
            for fault in _faults(inner, at if name == "_schema" else f"{at}/{_escape(str(name))}")
        ]
    texts = messages if isinstance(messages, list) else [messages]
    return [Fault(at, str(text)) for text in texts]


def _escape(name: str) -> str:
    """A JSON pointer's token as a URI fragment (RFC 6901, section 6)."""
    safe = name.replace("~", "~0").replace("/", "~1")
    return "".join(
        c if c.isascii() and (c.isalnum() or c in "-._~!$&'()*+,;=:@") else _percent(c) for c in safe
    )


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


_BRACES_AND_TEXTS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def _depth(body: bytes) -> int:
    """The deepest nesting, as far as MAX_DEPTH; braces in texts do not count."""
    depth = deepest = 0
    for found in _BRACES_AND_TEXTS.finditer(body):
        one = found[0]
        if one in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
            if deepest > MAX_DEPTH:
                break
        elif one in (b"]", b"}"):
            depth -= 1
    return deepest


def _nuls(value: object, at: str) -> list[str]:
    if isinstance(value, str):
        return [at] if "\0" in value else []
    if isinstance(value, list):
        return [found for index, inner in enumerate(value) for found in _nuls(inner, f"{at}/{index}")]
    if isinstance(value, dict):
        own = [f"{at}/{_escape(name)}" for name in value if "\0" in name]
        return own + [
            found for name, inner in value.items() for found in _nuls(inner, f"{at}/{_escape(name)}")
        ]
    return []
