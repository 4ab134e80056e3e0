"""Pages of GET /api/jobs: complete while others come in, as cheap far down as at the top, and nobody else's."""

import asyncio
import itertools
import random
from collections import Counter
from datetime import timedelta
from typing import Any

import asyncpg
import orjson
from aiohttp import ClientSession

from asking import ask
from filling import NOON, all_pages, fill, listed, put
from plans import blocks, rows_read
from service.jobs.by_value import order_by_value
from service.jobs.listing import LISTS_AT_ONCE, PLAN, Lists
from service.jobs.orders import FILTERS, NEWEST, ORDERS
from service.jobs.pages import Question, Spot, page

MANY = 20_000
ADD_NEWER = """
INSERT INTO jobs (id, tenant_id, type, status, due_at, created_by, created_at, updated_at)
SELECT gen_random_uuid(), 1, 'sleep', 'pending', now(), 'somebody', now(), now() FROM generate_series(1, $1)
"""
HELD_BACK = """
SELECT count(*) FROM pg_locks
WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


async def test_pages_show_each_job_once_while_others_come_in_and_change(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    await fill(pool, MANY)
    there = {str(row["id"]) for row in await pool.fetch("SELECT id FROM jobs")}
    done = asyncio.Event()

    async def disturb() -> int:
        turns = 0
        while not done.is_set():
            await put(pool)
            await pool.execute(
                "UPDATE jobs SET updated_at = now(), version = version + 1 WHERE id IN"
                " (SELECT id FROM jobs WHERE status = 'finished' ORDER BY random() LIMIT 20)"
            )
            turns += 1
        return turns

    async with asyncio.TaskGroup() as tasks:
        disturbing = tasks.create_task(disturb())
        for query in (
            "limit=1000&fields=id",
            "limit=1000&fields=id&sort=number",
            "limit=999&fields=id&sort=-status",
        ):
            seen = Counter([job["id"] for job in await all_pages(api, query)])
            assert there <= seen.keys(), query
            assert max(seen.values()) == 1, query
        done.set()
    assert disturbing.result() > 10


def question_of(sort: str, filters: dict[str, Any], reader: str | None = None) -> Question:
    """As the list asks it."""
    given = dict.fromkeys(FILTERS) | filters
    order = order_by_value(sort, given) if reader is None else None
    return Question(1, reader, None, given, order or ORDERS[sort])


async def plan(
    connection: Any, sort: str, filters: dict[str, Any], reader: str | None, position: Any
) -> dict[str, Any]:
    """What PostgreSQL did for a page of 100."""
    question = question_of(sort, filters, reader)
    (leg, *_) = question.order
    async with connection.transaction(readonly=True):
        await connection.execute(PLAN)
        told = await connection.fetchval(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {leg.statement}",
            1,
            100,
            *question.values(leg),
            *position,
        )
    done: dict[str, Any] = orjson.loads(told)[0]["Plan"]
    return done


async def cost(connection: Any, sort: str, filters: dict[str, Any], reader: str | None, position: Any) -> int:
    """Rows read for a page of 100."""
    return rows_read(await plan(connection, sort, filters, reader, position))


INDEXED: tuple[tuple[str, dict[str, Any], str | None], ...] = (
    ("-created_at", {}, None),
    ("created_at", {}, None),
    ("-created_at", {"status": ["finished"]}, None),
    ("created_at", {"status": ["finished"]}, None),
    ("-created_at", {"type": ["echo"]}, None),
    ("-created_at", {"type": ["echo"], "created_from": NOON, "created_to": NOON + timedelta(days=1)}, None),
    ("created_at", {"type": ["echo"], "created_from": NOON, "created_to": NOON + timedelta(days=1)}, None),
    ("-created_at", {"created_by": ["admin"]}, None),
    ("-created_at", {}, "admin"),
    ("-number", {}, None),
    ("number", {}, None),
    ("-status", {}, None),
    ("status", {}, None),
    ("-type", {}, None),
    ("type", {}, None),
    ("created_by", {}, None),
    ("-created_by", {}, None),
    ("-terminated_at", {}, None),
    ("terminated_at", {}, None),
)


async def test_page_200_reads_no_more_rows_than_page_1(pool: asyncpg.Pool) -> None:
    await fill(pool, MANY)
    for sort, filters, reader in INDEXED:
        question = question_of(sort, filters, reader)
        (leg, *_) = question.order
        async with pool.acquire() as connection:
            nowhere = (None,) * len(leg.columns)
            rows = await connection.fetch(leg.statement, 1, 19_900, *question.values(leg), *nowhere)
            position = tuple(rows[-1][name] for name in leg.columns)
            first = await plan(connection, sort, filters, reader, nowhere)
            page_200 = await plan(connection, sort, filters, reader, position)
        assert 100 <= rows_read(first) <= 120, (sort, filters, reader)
        assert rows_read(page_200) <= rows_read(first) + 20, (
            sort,
            filters,
            reader,
        )  # some share its millisecond
        assert blocks(page_200) <= blocks(first) + 20, (sort, filters, reader)


async def test_a_rare_status_is_found_without_reading_the_others(pool: asyncpg.Pool) -> None:
    await fill(pool, MANY)
    await put(pool, "running")
    await pool.execute("ANALYZE jobs")
    async with pool.acquire() as connection:
        assert await cost(connection, "-created_at", {"status": ["running"]}, None, (None, None)) == 1
        assert await cost(connection, "-created_at", {"created_by": ["nobody"]}, None, (None, None)) == 0
        assert await cost(connection, "-created_at", {}, "nobody", (None, None)) == 0


async def test_one_status_and_ones_own_jobs_are_read_in_order_and_not_sorted(pool: asyncpg.Pool) -> None:
    await fill(pool, MANY)
    await pool.execute(
        """UPDATE jobs SET status = 'cancelled', percent_completed = 0, created_by = 'anna'
           WHERE id IN (SELECT id FROM jobs ORDER BY created_at LIMIT 1000)"""
    )
    await pool.execute("VACUUM ANALYZE jobs")
    async with pool.acquire() as connection:
        one_status = await cost(connection, "-created_at", {"status": ["cancelled"]}, None, (None, None))
        own_jobs = await cost(connection, "-created_at", {}, "anna", (None, None))
    assert 100 <= one_status <= 120
    assert 100 <= own_jobs <= 120


BEHIND: tuple[tuple[dict[str, Any], int], ...] = (
    ({"status": ["finished"]}, 1),
    ({"status": ["finished", "failed", "finished"]}, 1),
    ({"status": ["finished", "cancelled"]}, 2),
    ({"type": ["echo"]}, 1),
    ({"definition": ["nightly"]}, 1),
    ({"created_by": ["admin"]}, 1),
    ({"status": ["finished"], "created_from": NOON}, 1),
)
"""Filters, and how many values of theirs have a page."""


async def test_a_list_by_a_value_reads_no_job_with_another_however_many_are_newer(pool: asyncpg.Pool) -> None:
    await fill(pool, MANY)
    await pool.execute("UPDATE jobs SET definition = 'nightly'")
    await pool.execute(
        """UPDATE jobs SET status = 'cancelled', percent_completed = 0
           WHERE id IN (SELECT id FROM jobs ORDER BY created_at DESC LIMIT 10)"""
    )
    await pool.execute(ADD_NEWER, 600)  # so few that PostgreSQL thinks it cheap to pass them
    await pool.execute("VACUUM ANALYZE jobs")
    async with pool.acquire() as connection:
        for filters, values in BEHIND:
            for sort in ("-created_at", "created_at"):
                read = await cost(connection, sort, filters, None, (None, None))
                assert 100 <= read <= 100 * values, (sort, filters)


async def test_a_cursor_goes_on_whichever_statement_gave_it(pool: asyncpg.Pool) -> None:
    chance = random.Random(3)
    for _ in range(90):
        created = NOON + timedelta(milliseconds=chance.randrange(20))
        await put(pool, chance.choice(["pending", "finished", "failed"]), created_at=created)
    for sort in ("-created_at", "created_at"):
        for filters in (
            {"status": ["failed", "pending", "failed"]},
            {"status": ["failed"]},
            {
                "type": ["echo"],
                "created_from": NOON + timedelta(milliseconds=3),
                "created_to": NOON + timedelta(milliseconds=15),
            },
        ):
            asked = dict.fromkeys(FILTERS) | filters
            general = Question(1, None, None, asked, ORDERS[sort])
            by_value = question_of(sort, filters)
            assert by_value.order != general.order
            async with Lists(pool).connection() as connection:
                expected, _ = await page(connection, general, Spot(0, None), 1_000)
                found: list[asyncpg.Record] = []
                spot: Spot | None = Spot(0, None)
                turns = itertools.cycle((by_value, general, by_value))
                while spot is not None:
                    rows, spot = await page(connection, next(turns), spot, 4)
                    found += rows
            assert len(expected) > 20
            assert [row["id"] for row in found] == [row["id"] for row in expected], (sort, filters)


async def test_lists_are_planned_for_their_values_however_often_they_are_asked_for(
    pool: asyncpg.Pool,
) -> None:
    question = question_of("-created_at", {"number": [1]})
    async with Lists(pool).connection() as connection:
        for _ in range(12):
            await page(connection, question, Spot(0, None), 10)
        plans = await connection.fetchrow(
            "SELECT custom_plans, generic_plans FROM pg_prepared_statements WHERE statement = $1", NEWEST
        )
    assert tuple(plans or ()) == (12, 0)


async def test_a_cursor_is_good_for_its_own_list_alone(api: ClientSession, pool: asyncpg.Pool) -> None:
    for _ in range(5):
        await put(pool, labels={"env": "prod"})
    page = await listed(api, "limit=2&type=echo&label.env=prod")
    cursor = page["next"].partition("cursor=")[2]
    same = f"type=echo&label.env=prod&cursor={cursor}"
    assert len((await listed(api, f"{same}&limit=1&fields=id&include=messages&count=true"))["jobs"]) == 1
    refused = (
        f"cursor={cursor}",
        f"type=steps&label.env=prod&cursor={cursor}",
        f"type=echo&label.env=test&cursor={cursor}",
        f"{same}&sort=created_at",
        f"{same}&q=x",
        f"{same}&status=pending",
        f"type=echo&label.env=prod&cursor={cursor[:-1]}",
        f"type=echo&label.env=prod&cursor={cursor}A",
        f"type=echo&label.env=prod&cursor={cursor.swapcase()}",
        "type=echo&label.env=prod&cursor=",
        "type=echo&label.env=prod&cursor=%F0%9F%98%80",
    )
    for query in refused:
        async with api.get(f"/api/jobs?{query}") as response:
            assert (response.status, (await response.json())["code"]) == (400, "malformed"), query


async def test_a_list_shows_what_the_caller_may_see(api: ClientSession, pool: asyncpg.Pool) -> None:
    await pool.execute(
        """INSERT INTO job_definitions (id, tenant_id, code, type, name, shared_with, created_by, created_at)
           SELECT gen_random_uuid(), 1, code, 'echo', 'x', ARRAY[shared], 'bruno', '2020-01-01'
           FROM (VALUES ('all', '*'), ('hers', 'anna'), ('his', 'carl')) AS made(code, shared)"""
    )
    other = await pool.fetchval("INSERT INTO tenants (code, name) VALUES ('other', 'Other') RETURNING id")
    await put(pool, tenant_id=other, created_by="anna")
    own = await put(pool, created_by="anna")
    for_all = await put(pool, created_by="bruno", definition="all")
    for_her = await put(pool, created_by="bruno", definition="hers")
    for_him = await put(pool, created_by="bruno", definition="his")
    foreign = await put(pool, created_by="bruno")
    hers, everything = {own, for_all, for_her}, {own, for_all, for_her, for_him, foreign}
    for role, visible in (
        ("user", hers),
        ("viewer", everything),
        ("curator", everything),
        ("admin", everything),
    ):
        body = {"name": role, "principal": "anna", "roles": [role]}
        async with api.post("/api/keys", json=body) as response:
            secret = (await response.json())["secret"]
        for query in (
            "count=true",
            "count=true&sort=status",
            "count=true&q=%7B%7D",
            "count=true&status=pending",
        ):
            async with api.get(
                f"/api/jobs?{query}", headers={"Authorization": f"Bearer {secret}"}
            ) as response:
                page = await response.json()
            assert {job["id"] for job in page["jobs"]} == visible, (role, query)
            assert page["count"] == len(visible)


async def test_who_is_shown_no_definition_sees_their_own_jobs_alone(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    own = {await put(pool, created_by="anna", created_at=NOON + timedelta(seconds=n)) for n in range(3)}
    await put(pool, created_by="bruno")
    body = {"name": "anna's", "principal": "anna", "roles": ["user"]}
    secret = (await ask(api, "POST", "/api/keys", json=body)).body["secret"]
    headers = {"Authorization": f"Bearer {secret}"}
    for query, visible in (
        ("", own),
        ("sort=created_at", own),
        ("status=pending", own),
        ("created_by=anna,bruno", own),
        ("created_by=bruno", set()),
        ("status=failed", set()),
        ("q=%7B%7D", own),
    ):
        found = await ask(api, "GET", f"/api/jobs?count=true&{query}", headers=headers)
        assert {job["id"] for job in found.body["jobs"]} == visible, query
        assert found.body["count"] == len(visible), query


async def test_lists_that_find_no_room_are_sent_away_while_others_go_on(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    await put(pool)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
        slow = [asyncio.create_task(ask(api, "GET", "/api/jobs")) for _ in range(LISTS_AT_ONCE)]
        async with asyncio.timeout(10):
            while await connection.fetchval(HELD_BACK) < LISTS_AT_ONCE:
                await asyncio.sleep(0.02)
        refused = await asyncio.gather(*(ask(api, "GET", "/api/jobs") for _ in range(50)))
        assert {one.status for one in refused} == {503}
        assert all(int(one.headers["Retry-After"]) > 0 for one in refused)
        assert (await ask(api, "GET", "/api/me")).status == 200
        assert not any(one.done() for one in slow)
    assert {one.status for one in await asyncio.gather(*slow)} == {200}
    assert (await ask(api, "GET", "/api/jobs")).status == 200
