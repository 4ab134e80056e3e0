"""Pages of keys and tenants: `limit`, an opaque `cursor`, and `next` with the same as a Link."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import asyncpg
from aiohttp import web
from marshmallow import Schema, fields, validate

from service.errors import Malformed
from service.web.payload import json_response, query

MOST = 1000
Position = TypeVar("Position")


class PageIn(Schema):
    """The query of a list."""

    limit = fields.Integer(load_default=100, validate=validate.Range(min=1, max=MOST))
    cursor = fields.String(load_default=None)


_PAGE_IN = PageIn()


@dataclass(frozen=True, slots=True)
class Page(Generic[Position]):
    """At most `limit` rows, which come after the row at `after`."""

    limit: int
    after: Position | None


def page_of(request: web.Request, parse: Callable[[str], Position]) -> Page[Position]:
    """What page is asked for; `parse` reads a position, or raises ValueError. Raises Malformed."""
    return page_in(query(request, _PAGE_IN), parse)


def page_in(asked: Mapping[str, Any], parse: Callable[[str], Position]) -> Page[Position]:
    """The page that a loaded query asks for, whose schema is a PageIn. Raises Malformed."""
    if asked["cursor"] is None:
        return Page(asked["limit"], None)
    try:
        return Page(asked["limit"], parse(urlsafe_b64decode(asked["cursor"].encode("ascii")).decode("ascii")))
    except ValueError:
        raise Malformed("cursor: is none that this list has given") from None


def list_response(
    request: web.Request,
    page: Page[Position],
    name: str,
    rows: Sequence[asyncpg.Record | Mapping[str, Any]],
    *,
    cursor: str,
    hidden: tuple[str, ...] = (),
) -> web.Response:
    """The page in its envelope; `rows` are one over its limit when more follow, `cursor` is the column they go by.

    Columns that are `hidden` are not shown.
    """
    shown = [
        {column: value for column, value in row.items() if column not in hidden} for row in rows[: page.limit]
    ]
    if len(rows) <= page.limit:
        return json_response({name: shown})
    last = urlsafe_b64encode(str(rows[page.limit - 1][cursor]).encode()).decode()
    following = str(request.rel_url.update_query(limit=page.limit, cursor=last))
    return json_response({name: shown, "next": following}, headers={"Link": f'<{following}>; rel="next"'})
