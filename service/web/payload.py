"""Bodies in and out: orjson on the wire, marshmallow as the one description of every shape."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from marshmallow import Schema, ValidationError, fields
from multidict import MultiMapping

from service.errors import Fault, Invalid, Malformed, TooLarge, UnsupportedMediaType
from service.web.acceptor import Refused, acceptor_of
from service.web.encoding import dumps

_CONTAINERS = frozenset((dict, list))
MAX_DEPTH = 64
MOST_FAULTS = 1_000
ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})
JSON = {"Content-Type": "application/json; charset=utf-8"}


def json_response(
    value: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A response with a JSON body."""
    return web.Response(body=dumps(value), status=status, headers={**JSON, **headers} if headers else JSON)


async def read_json(request: web.Request) -> Any:
    """The body as JSON. Raises Malformed, TooLarge, UnsupportedMediaType, and Invalid for a NUL in a text."""
    return parse_json(await _read(request))


async def read_array(request: web.Request) -> tuple[list[Any], bool]:
    """The body as a JSON array, and whether one of its items may hold a NUL: each is for `refuse_nuls` then."""
    body = await _read(request)
    items = _parse(body)
    if not isinstance(items, list):
        raise Invalid([Fault("#", "must be a JSON array")])
    return items, _NUL in body


def parse_json(body: bytes) -> Any:
    """JSON of at most 64 levels, without NUL characters, which PostgreSQL can't keep."""
    value = _parse(body)
    if _NUL in body:
        refuse_nuls(value)
    return value


def refuse_nuls(value: Any) -> None:
    """Raise Invalid for the texts and names with a NUL character in them."""
    if pointers := _nuls(value, "#"):
        raise Invalid([Fault(pointer, "contains a NUL character") for pointer in pointers])


async def _read(request: web.Request) -> bytes:
    """The body of a request for JSON."""
    kind = request.content_type
    named = "Content-Type" in request.headers and request.can_read_body
    if named and kind != "application/json" and not kind.endswith("+json"):
        raise UnsupportedMediaType(f"expected application/json, not {kind[:100]}")
    return await read_bytes(request, request.client_max_size)


async def read_bytes(request: web.Request, limit: int) -> bytes:
    """The body, unpacked; what is too large is refused before more than the limit is read.

    Raises Malformed for a body that is cut or cannot be unpacked, TooLarge, UnsupportedMediaType.
    """
    if request.headers.get("Content-Encoding", "").strip().lower() not in ENCODINGS:
        raise UnsupportedMediaType("a body's Content-Encoding may be gzip or deflate")
    if request.content_length is not None and request.content_length > limit:
        raise TooLarge("the body", limit)
    chunks, size = [], 0
    try:
        async for chunk in request.content.iter_any():  # request.read() would hold the body twice as it grows
            size += len(chunk)
            if size > limit:
                raise TooLarge("the body", limit)
            chunks.append(chunk)
    except (ConnectionError, HttpProcessingError, web.RequestPayloadError) as error:
        raise Malformed("the body is broken or ends early") from error
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _parse(body: bytes) -> Any:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the body is no JSON: {error}") from None
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        _refuse_depth(value)
    return value


def _refuse_depth(value: Any) -> None:
    level = [value] if type(value) in _CONTAINERS else []
    for _ in range(MAX_DEPTH):
        if not level:
            return
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) in _CONTAINERS
        ]
    if level:
        raise Malformed(f"the body is nested deeper than {MAX_DEPTH} levels")


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
        raise Invalid(_faults(error.messages, at, schema)[:MOST_FAULTS]) from None


def query(request: web.Request, schema: Schema) -> dict[str, Any]:
    """The query parameters, loaded by `schema`; a field of the kind List takes repeated and comma-separated values."""
    return load_query(request.query, schema)


def load_query(parameters: MultiMapping[str], schema: Schema) -> dict[str, Any]:
    """Query parameters, loaded as `query` does. Raises Malformed, which names what is wrong with each."""
    known = parameters_of(schema)
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for name in parameters:
        given = parameters.getall(name)
        if name not in known:
            wrong[name] = f"unknown query parameter; this takes {', '.join(known) or 'none'}"
        elif any("\0" in text for text in given):
            wrong[name] = "contains a NUL character"
        elif isinstance(known[name], fields.List):
            values[name] = [word for text in given for word in text.split(",")]
        elif len(given) > 1:
            wrong[name] = f"is given {len(given)} times"
        else:
            values[name] = given[0]
    try:
        loaded = dict(schema.load(values))
    except ValidationError as error:
        for fault in _faults(error.messages, "", schema):
            wrong.setdefault(fault.pointer.split("/")[1], fault.detail)
    else:
        if not wrong:
            return loaded
    raise Malformed("; ".join(f"{name[:100]}: {detail}" for name, detail in wrong.items()))


class _Nothing(Schema):
    """No parameters."""


_NOTHING = _Nothing()


def no_query(request: web.Request) -> None:
    """Refuse all query parameters: Malformed."""
    if request.query_string:
        query(request, _NOTHING)


@lru_cache(maxsize=256)
def parameters_of(schema: Schema) -> dict[str, fields.Field[Any]]:
    """The fields of a schema that loads a query or a body, by their names on the wire."""
    return {
        name if field.data_key is None else field.data_key: field
        for name, field in schema.load_fields.items()
    }


def _faults(messages: object, at: str, about: object = None) -> list[Fault]:
    """Marshmallow's messages, each with its pointer; `about` is the schema or the field that they speak of."""
    if not isinstance(messages, dict):
        return [Fault(at, str(text)) for text in (messages if isinstance(messages, list) else [messages])]
    found: list[Fault] = []
    for name, inner in messages.items():
        here = at if name == "_schema" else f"{at}/{escape(str(name))}"
        if isinstance(about, fields.Dict) and isinstance(inner, dict):
            # {"key": …, "value": …}: no place in the body.
            for part in inner.values():
                found += _faults(part, here, about.value_field)
        else:
            found += _faults(inner, here, _inside(about, name))
    return found


def _inside(about: object, name: object) -> object:
    """The field or schema of a member, or of an item, of what `about` describes."""
    if isinstance(about, fields.List):
        return about.inner
    if isinstance(about, fields.Nested):
        return about.schema if about.many else _inside(about.schema, name)
    return parameters_of(about).get(str(name)) if isinstance(about, Schema) else None


def escape(name: str) -> str:
    """A JSON pointer's token as a URI fragment (RFC 6901, section 6)."""
    safe = name.replace("~", "~0").replace("/", "~1")
    return "".join(
        c if c.isascii() and (c.isalnum() or c in "-._~!$&'()*+,;=:@") else _percent(c) for c in safe
    )


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


_NUL = b"\\u0000"


def _nuls(value: object, at: str) -> list[str]:
    if isinstance(value, str):
        return [at] if "\0" in value else []
    if isinstance(value, list):
        return [found for index, inner in enumerate(value) for found in _nuls(inner, f"{at}/{index}")]
    if isinstance(value, dict):
        own = [f"{at}/{escape(name)}" for name in value if "\0" in name]
        return own + [
            found for name, inner in value.items() for found in _nuls(inner, f"{at}/{escape(name)}")
        ]
    return []
