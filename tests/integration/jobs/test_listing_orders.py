"""Every order of GET /api/jobs, both ways, with ties and nulls, page by page."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession

from filling import NOON, all_pages, listed, put
from service.jobs.orders import ORDERS
from service.jobs.states import PRIORITIES

JOBS = 60


async def various(pool: asyncpg.Pool) -> None:
    """Jobs with many ties in everything, and with nulls where there may be any."""
    chance = random.Random(7)

    def moment() -> Any:
        return NOON + timedelta(milliseconds=chance.randrange(6))

    for _ in range(JOBS):
        status = chance.choice(["pending", "suspended", "running", "finished", "failed", "cancelled"])
        started = status == "running" or (
            status in ("finished", "failed", "cancelled") and chance.random() < 0.7
        )
        await put(
            pool,
            status,
            type=chance.choice(["echo", "steps", "Zeta", "àla"]),
            created_by=chance.choice(["anna", "bruno", "Carla"]),
            priority=chance.randrange(5),
            created_at=moment(),
            updated_at=moment(),
            **({"started_at": moment()} if started else {}),
            **({"terminated_at": moment()} if status in ("finished", "failed", "cancelled") else {}),
        )


KEYS: dict[str, Callable[[dict[str, Any]], tuple[Any, ...]]] = {
    "number": lambda job: (job["number"],),
    "created_at": lambda job: (job["created_at"], job["id"]),
    "status": lambda job: (job["status"], job["created_at"], job["id"]),
    "type": lambda job: (job["type"], job["created_at"], job["id"]),
    "created_by": lambda job: (job["created_by"], job["created_at"], job["id"]),
    "priority": lambda job: (PRIORITIES.index(job["priority"]), job["created_at"], job["id"]),
    "updated_at": lambda job: (job["updated_at"], job["id"]),
    "started_at": lambda job: (job["started_at"], job["id"]),
    "terminated_at": lambda job: (job["terminated_at"], job["id"]),
}


def in_order(jobs: list[dict[str, Any]], sort: str) -> list[dict[str, Any]]:
    """What the order means: what has no value comes last in both directions, by creation."""
    name, down = sort.removeprefix("-"), sort.startswith("-")
    have = [job for job in jobs if job[name] is not None]
    lack = [job for job in jobs if job[name] is None]
    return sorted(have, key=KEYS[name], reverse=down) + sorted(lack, key=KEYS["created_at"], reverse=down)


def test_every_order_has_both_directions() -> None:
    assert ORDERS.keys() == KEYS.keys() | {f"-{name}" for name in KEYS}


async def test_every_order_is_kept_over_pages_of_any_size(api: ClientSession, pool: asyncpg.Pool) -> None:
    await various(pool)
    jobs = (await listed(api, "limit=1000"))["jobs"]
    assert len(jobs) == JOBS
    for sort in ORDERS:
        expected = [job["id"] for job in in_order(jobs, sort)]
        for limit in (7, JOBS):
            found = [job["id"] for job in await all_pages(api, f"sort={sort}&limit={limit}")]
            assert found == expected, (sort, limit)


@pytest.mark.parametrize("sort", ["-started_at", "terminated_at", "status", "-priority"])
async def test_an_order_holds_under_filters_and_searches(
    api: ClientSession, pool: asyncpg.Pool, sort: str
) -> None:
    await various(pool)
    everything = (await listed(api, "limit=1000"))["jobs"]
    for filters in ("status=finished,pending,cancelled", "type=echo", "created_by=anna,bruno&q=%7B%7D"):
        allowed = (await listed(api, f"limit=1000&{filters}"))["jobs"]
        assert 0 < len(allowed) < len(everything)
        found = await all_pages(api, f"sort={sort}&limit=4&{filters}")
        assert [job["id"] for job in found] == [job["id"] for job in in_order(allowed, sort)], filters


async def test_the_newest_come_first_unless_asked_otherwise(api: ClientSession, pool: asyncpg.Pool) -> None:
    await various(pool)
    assert (await listed(api))["jobs"] == (await listed(api, "sort=-created_at"))["jobs"]
