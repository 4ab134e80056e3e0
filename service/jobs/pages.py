"""Pages of a list: fetched leg by leg, and searched for words."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import asyncpg

from service.access.principal import Permission, Principal
from service.db.connection import Connection
from service.jobs.orders import COUNT, FILTERS, Leg

SEARCH_SECONDS = 1.0
FIRST_STEP, LARGEST_STEP = 500, 8_000


@dataclass(frozen=True, slots=True)
class Question:
    """Which jobs, in which order. `reader` is None for one who may see all; `codes` are definitions they share."""

    tenant_id: int
    reader: str | None
    codes: list[str] | None
    filters: Mapping[str, Any]
    order: tuple[Leg, ...]

    def values(self, leg: Leg | None = None) -> list[Any]:
        """What $3 and the following are."""
        if leg and leg.values_of:
            return [self.filters[name] for name in (leg.values_of, "created_from", "created_to")]
        given = {**self.filters, leg.only: True} if leg and leg.only else self.filters
        return [self.reader, self.codes, *(given.get(name) for name in FILTERS)]


class Spot(NamedTuple):
    """A place in an order: the leg, and the key of the row before it (None: at its beginning)."""

    leg: int
    position: tuple[Any, ...] | None


SHARED = "SELECT code FROM job_definitions WHERE tenant_id = $1 AND shared_with && ARRAY[$2, '*']"


async def shared_definitions(connection: Connection, tenant_id: int, principal: str) -> list[str]:
    """The codes of the definitions that are shared with a principal."""
    return [row["code"] for row in await connection.fetch(SHARED, tenant_id, principal)]


async def seen_by(connection: Connection, principal: Principal) -> tuple[str | None, list[str] | None]:
    """What $3 and $4 of orders.VISIBLE are for this caller: `reader` and `codes` of a Question."""
    if principal.may(Permission.JOBS_READ_ALL):
        return None, None
    return principal.name, await shared_definitions(connection, principal.tenant_id, principal.name) or None


async def page(
    connection: Connection, question: Question, start: Spot, limit: int
) -> tuple[list[asyncpg.Record], Spot | None]:
    """At most `limit` rows (`id, version`, and the columns of their order), and where the next page begins."""
    found = await _rows(connection, question, start, limit + 1)
    shown = found[:limit]
    return [row for _, row in shown], _end(question, shown[-1]) if len(found) > limit else None


MATCHING = """
SELECT jobs.id FROM unnest($1::uuid[]) AS wanted(id)
JOIN jobs ON jobs.id = wanted.id JOIN job_requests AS asked ON asked.job_id = jobs.id
WHERE concat_ws(' ', asked.description, asked.args, jobs.output) ILIKE ALL ($2::text[])
"""


async def search(
    connection: Connection, question: Question, start: Spot, limit: int, patterns: Sequence[str]
) -> tuple[list[asyncpg.Record], Spot | None]:
    """As `page`, of the jobs whose description, args and output together match all patterns of ILIKE.

    No index knows the words, since it would double what an insert costs (docs/lists.md). The search reads through
    the list instead, and ends its page after a second with what it has found, be it nothing, and where to go on.
    """
    found: list[tuple[int, asyncpg.Record]] = []
    step, ends = FIRST_STEP, time.monotonic() + SEARCH_SECONDS
    while True:
        rows = await _rows(connection, question, start, step)
        hits = {
            row["id"] for row in await connection.fetch(MATCHING, [row["id"] for _, row in rows], patterns)
        }
        found += [one for one in rows if one[1]["id"] in hits]
        if len(found) > limit:
            return [row for _, row in found[:limit]], _end(question, found[limit - 1])
        if len(rows) < step:
            return [row for _, row in found], None
        start = _end(question, rows[-1])
        if time.monotonic() > ends:
            return [row for _, row in found], start
        step = min(2 * step, LARGEST_STEP)


async def count(connection: Connection, question: Question, patterns: Sequence[str]) -> int:
    """How many jobs there are on all pages together."""
    counted: int = await connection.fetchval(
        COUNT, question.tenant_id, None, *question.values(), patterns or None
    )
    return counted


async def _rows(
    connection: Connection, question: Question, start: Spot, most: int
) -> list[tuple[int, asyncpg.Record]]:
    rows: list[tuple[int, asyncpg.Record]] = []
    for number, leg in enumerate(question.order):
        if number < start.leg or len(rows) == most:
            continue
        here = number == start.leg and start.position is not None
        position = start.position if here else (None,) * len(leg.columns)
        found = await connection.fetch(
            leg.statement, question.tenant_id, most - len(rows), *question.values(leg), *(position or ())
        )
        rows += [(number, row) for row in found]
    return rows


def _end(question: Question, last: tuple[int, asyncpg.Record]) -> Spot:
    number, row = last
    return Spot(number, tuple(row[name] for name in question.order[number].columns))
