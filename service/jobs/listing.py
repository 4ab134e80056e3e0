"""GET /api/jobs: pages of the jobs that a caller may see."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from aiohttp import web
from marshmallow import Schema, fields, validate
from multidict import MultiDict, MultiMapping

from service.access.middleware import principal_of
from service.access.principal import Principal
from service.db.connection import Connection
from service.db.line import Line
from service.db.patience import LONG_STATEMENT
from service.errors import Malformed, Unavailable
from service.jobs.asked import base_url
from service.jobs.by_value import order_by_value
from service.jobs.core import CORE
from service.jobs.cursor import NotOurs, seal, unseal
from service.jobs.orders import FILTERS, ORDERS
from service.jobs.pages import Question, Spot, count, page, search, seen_by
from service.jobs.schemas import time, words
from service.jobs.selection import INCLUDED_IN_LISTS, fields_in, include_in, only, with_included
from service.jobs.states import PRIORITIES, Priority, Status
from service.keys import POOL, SETTINGS
from service.web.encoding import dumps
from service.web.payload import json_response, load_query

LABEL = "label."
MOST_WORDS = 10
SKIPPED_AT_ONCE = 10_000
# A list may be slow, where no index helps; at once only so many are, so that they never take every connection.
LISTS_AT_ONCE = 6
WAIT_SECONDS, LIST_SECONDS = 1.0, 8.0
PLAN = "SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL statement_timeout = '7s'"


class ListIn(Schema):
    """The query of GET /api/jobs, besides label.KEY; a repeated or comma-separated value means any of."""

    status = words(validate=validate.OneOf(list(Status)))
    type = words()
    definition = words()
    created_by = words()
    category = words()
    sub_category = words()
    priority = words(validate=validate.OneOf(list(Priority)))
    worker_tag = words()
    queue = words()
    client_request_id = words()
    correlation_id = words()
    idempotency_key = words()
    number = fields.List(fields.Integer(validate=validate.Range(0, 2**63 - 1)), load_default=None)
    created_from = time()
    created_to = time()
    updated_from = time()
    updated_to = time()
    terminated_from = time()
    terminated_to = time()
    q = fields.String(load_default="", validate=validate.Length(max=500))
    sort = fields.String(load_default="-created_at", validate=validate.OneOf(list(ORDERS)))
    limit = fields.Integer(load_default=100, validate=validate.Range(1, 1_000))
    cursor = fields.String(load_default=None)
    count = fields.Boolean(load_default=False, truthy={"true", "1"}, falsy={"false", "0"})
    fields_ = fields_in()
    include = include_in()


_LIST_IN = ListIn()
_BESIDES = frozenset({"limit", "cursor", "count", "fields_", "include"})
"""What the pages of one list may differ in."""
FILTER_WORDS = tuple(name for name in _LIST_IN.fields if name not in _BESIDES)


class Lists:
    """Room for so many lists at once."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._line = Line(LISTS_AT_ONCE, what="lists", wait_seconds=WAIT_SECONDS)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection that plans each statement for its values.

        Raises Unavailable where there is no room soon, and when what is done in the block takes more than 8 s.
        """
        async with self._line.place():
            limit = asyncio.timeout(LIST_SECONDS)
            long = LONG_STATEMENT.set(LIST_SECONDS)
            try:
                async with (
                    limit,
                    self._pool.acquire() as connection,
                    connection.transaction(readonly=True),
                ):
                    await connection.execute(PLAN)
                    yield connection
            except (TimeoutError, asyncpg.QueryCanceledError) as error:
                if isinstance(error, TimeoutError) and not limit.expired():
                    raise  # PostgreSQL can't be reached
                raise Unavailable("the list took too long: narrow it, by created_from for instance") from None
            finally:
                LONG_STATEMENT.reset(long)


LISTS = web.AppKey("lists", Lists)


async def lists_of(app: web.Application) -> AsyncIterator[None]:
    """A `cleanup_ctx` of the application."""
    app[LISTS] = Lists(app[POOL])
    yield


async def list_(request: web.Request) -> web.Response:
    """GET /api/jobs: a page of the jobs that the caller may see."""
    return await list_jobs(request)


async def list_jobs(request: web.Request, definition: str | None = None) -> web.Response:
    """A page of the jobs that the caller may see, or of those of one definition."""
    core, principal, secrets = request.app[CORE], principal_of(request), request.app[SETTINGS].secret_keys
    asked = _asked(request.query)
    if definition is not None:
        if asked["definition"] is not None:
            raise Malformed("definition: the path says which")
        asked["definition"] = [definition]
    asking = dumps([principal.tenant_id, {name: asked[name] for name in asked if name not in _BESIDES}])
    start = _start(asked, secrets, asking)
    envelope: dict[str, Any] = {}
    async with request.app[LISTS].connection() as connection:
        question = await _question(connection, principal, asked)
        if patterns := asked["q"]:
            rows, end = await search(connection, question, start, asked["limit"], patterns)
        else:
            rows, end = await page(connection, question, start, asked["limit"])
        if asked["count"]:
            envelope["count"] = await count(connection, question, patterns)
    bodies = await core.reader.bodies_by_id(principal.tenant_id, rows, base_url(request))
    if asked["fields_"]:
        bodies = {job_id: only(body, asked["fields_"]) for job_id, body in bodies.items()}
    if asked["include"] and bodies:
        bodies = await with_included(core.pool, bodies, asked["include"], INCLUDED_IN_LISTS)
    envelope = {"jobs": [orjson.Fragment(body) for body in bodies.values()], **envelope}
    headers = {}
    if end is not None:
        cursor = seal(secrets, asking, dumps([end.leg, *(end.position or ())]))
        envelope["next"] = str(request.rel_url.update_query(cursor=cursor))
        headers["Link"] = f'<{envelope["next"]}>; rel="next"'
    return json_response(envelope, headers=headers)


async def part_of_list(
    request: web.Request, wanted: MultiMapping[str], offset: int, limit: int
) -> list[bytes]:
    """The JSON of at most `limit` jobs that the list has for this query behind the first `offset` ones.

    What is skipped is walked through, in steps. Raises Malformed for what the list would refuse.
    """
    core, principal = request.app[CORE], principal_of(request)
    asked = _asked(wanted)
    async with request.app[LISTS].connection() as connection:
        question = await _question(connection, principal, asked)
        start: Spot | None = Spot(0, None)
        while offset and start is not None:
            skipped, start = await page(connection, question, start, min(offset, SKIPPED_AT_ONCE))
            offset -= len(skipped)
        if start is None:
            return []
        rows, _ = await page(connection, question, start, limit)
    return await core.reader.bodies(principal.tenant_id, rows, base_url(request))


async def matching(request: web.Request, wanted: MultiMapping[str], most: int) -> tuple[list[UUID], int]:
    """The ids of the jobs that the list would show for this query, at most so many, and how many there are in all.

    Raises Malformed for what the list would refuse, and for what says nothing about which jobs.
    """
    if about_pages := sorted(set(wanted) & {"limit", "cursor", "count", "fields", "include"}):
        raise Malformed(f"a filter has no {', '.join(about_pages)}")
    asked = _asked(wanted)
    async with request.app[LISTS].connection() as connection:
        question = await _question(connection, principal_of(request), asked)
        counted = await count(connection, question, asked["q"])
        ids: list[UUID] = []
        end: Spot | None = Spot(0, None)
        while end is not None and len(ids) < most:
            step = most - len(ids)
            if asked["q"]:
                rows, end = await search(connection, question, end, step, asked["q"])
            else:
                rows, end = await page(connection, question, end, step)
            ids += [row["id"] for row in rows]
    return ids, counted


def _asked(given: MultiMapping[str]) -> dict[str, Any]:
    """The query, with `labels` and `label_choices` from label.KEY, and `q` as patterns of its words."""
    rest: MultiDict[str] = MultiDict()
    labels: dict[str, list[str]] = {}
    for name, text in given.items():
        if name.startswith(LABEL):
            labels.setdefault(name.removeprefix(LABEL), []).extend(text.split(","))
        else:
            rest.add(name, text)
    if any("\0" in text for one in labels.items() for text in (one[0], *one[1])):
        raise Malformed("a label contains a NUL character")
    asked = load_query(rest, _LIST_IN)
    asked["labels"] = {key: given[0] for key, given in labels.items() if len(given) == 1}
    asked["label_choices"] = {key: given for key, given in labels.items() if len(given) > 1}
    found = asked["q"].split()
    if len(found) > MOST_WORDS:
        raise Malformed(f"q: at most {MOST_WORDS} words")
    asked["q"] = [f"%{_literal(word)}%" for word in found]
    return asked


def _literal(word: str) -> str:
    """A word as a pattern of LIKE that means only itself."""
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


async def _question(connection: Connection, principal: Principal, asked: dict[str, Any]) -> Question:
    reader, codes = await seen_by(connection, principal)
    filters = {name: asked.get(name) or None for name in FILTERS}
    if filters["priority"]:
        filters["priority"] = [PRIORITIES.index(Priority(word)) for word in asked["priority"]]
    for name in ("labels", "label_choices"):
        filters[name] = dumps(filters[name]).decode() if filters[name] else None
    if reader is not None and codes is None and filters["created_by"] is None:
        # Says the same, as a filter that has an order of its own.
        reader, filters["created_by"] = None, [reader]
    order = order_by_value(asked["sort"], filters) if reader is None else None
    return Question(principal.tenant_id, reader, codes, filters, order or ORDERS[asked["sort"]])


_READ = {"id": UUID, "number": int, "priority": int, "status": str, "type": str, "created_by": str}


def _start(asked: dict[str, Any], secrets: tuple[str, ...], asking: bytes) -> Spot:
    """Where the page begins. Raises Malformed for a cursor of another list."""
    if asked["cursor"] is None:
        return Spot(0, None)
    try:
        leg, *values = orjson.loads(unseal(secrets, asking, asked["cursor"]))
    except NotOurs:
        raise Malformed(
            "cursor: is none that this list has given, with this sort and these filters"
        ) from None
    columns = ORDERS[asked["sort"]][leg].columns
    read = (_READ.get(name, datetime.fromisoformat) for name in columns)
    return Spot(leg, tuple(parse(value) for parse, value in zip(read, values, strict=True)))


routes = [web.get("/api/jobs", list_)]
