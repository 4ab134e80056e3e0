"""Pages of jobs and documents: one statement each, made of pieces that are written in entities.py and filters.py.

A page goes on after the last row of the one before (`$skiptoken`), so nothing is shown twice or left out because other
entities come in meanwhile. Each statement names the tenant, and what of it the caller may see.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import asyncpg
import orjson
from multidict import MultiMapping

from service.access.principal import Principal
from service.db.connection import Connection
from service.dialects.aims360.entities import EntitySet
from service.dialects.aims360.filters import Values
from service.dialects.aims360.options import Asked, after, order, read_options
from service.errors import Malformed
from service.jobs.cursor import NotOurs, seal, unseal
from service.jobs.pages import seen_by
from service.web.encoding import dumps

FIRST = 8  # $1 to $7 stand in _WITH, orders.VISIBLE and LIMIT
_WITH = "WITH told(type, description) AS (SELECT * FROM unnest($5::text[], $6::text[]))"


class Page(NamedTuple):
    """Rows of an entity set (its `columns`), how many there are on all pages, and the query of the next page."""

    asked: Asked
    rows: list[asyncpg.Record]
    counted: int | None
    following: str | None


async def page(
    connection: Connection,
    entities: EntitySet,
    principal: Principal,
    query: MultiMapping[str],
    descriptions: Mapping[str, str],
    secrets: tuple[str, ...],
) -> Page:
    """A page of the entities that the caller may see; `descriptions` are of types.

    Raises Malformed, NotImplementedHere.
    """
    values = Values(FIRST)
    asked = read_options(query, entities, values)
    question = dumps([principal.tenant_id, entities.name, *map(asked.texts.get, ("$filter", "$orderby"))])
    where = f"{entities.source}\nAND {asked.where}" if asked.where else entities.source
    reader, codes = await seen_by(connection, principal)
    told = (list(descriptions), list(descriptions.values()))

    def given(limit: int | None, skip: int) -> tuple[Any, ...]:
        return principal.tenant_id, limit, reader, codes, *told, skip, *values.given

    counted = None
    if asked.count:
        counting = f"{_WITH}\nSELECT count(*) FROM (SELECT {where}\nLIMIT $2 OFFSET $7) AS counted"
        counted = await connection.fetchval(counting, *given(None, 0))
    if asked.token is not None:
        where = f"{where}\nAND {after(asked.keys, _position(asked, secrets, question), values)}"
    keys = ", ".join(f"{key.sql} AS key_{place}" for place, key in enumerate(asked.keys))
    statement = f"{_WITH}\nSELECT {entities.columns}, {keys}\n{where}\nORDER BY {order(asked.keys)}\nLIMIT $2 OFFSET $7"
    rows = await connection.fetch(statement, *given(asked.room + 1, asked.skip)) if asked.room else []
    shown, following = rows[: asked.room], None
    if len(rows) > asked.room and asked.top != asked.room:
        last = [_kept(shown[-1][f"key_{place}"]) for place in range(len(asked.keys))]
        following = asked.next_page(seal(secrets, question, dumps(last)))
    return Page(asked, shown, counted, following)


def _position(asked: Asked, secrets: tuple[str, ...], question: bytes) -> list[Any]:
    try:
        position: list[Any] = orjson.loads(unseal(secrets, question, asked.token or ""))
    except NotOurs:
        raise Malformed("$skiptoken: is none that this list has given, with this filter and order") from None
    return position


def _kept(value: Any) -> Any:
    """A value of a key as JSON keeps it, whole."""
    return value if value is None or isinstance(value, str | int | float) else str(value)
