"""PostgreSQL's own clock led over the days on which clocks are changed: schedules fire as documented, once each."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from asking import ask
from fault_lab.clock import SetClock
from fault_lab.system import running_system
from own_postgres import own_postgres
from service.db.pool import create_pool
from service.settings import Settings

ROME, LORD_HOWE = {"timezone": "Europe/Rome"}, {"timezone": "Australia/Lord_Howe"}
SCHEDULES: dict[str, dict[str, Any]] = {
    "rome": {"cron": "30 2 25,29 3,10 *", **ROME},
    "rome-both": {"cron": "30 2 25 10 *", "dst_fold": "both", **ROME},
    "rome-skip": {"cron": "30 2 29,30 3 *", "dst_gap": "skip", **ROME},
    "howe": {"cron": "15 2 4 10 *", **LORD_HOWE},
    "howe-both": {"cron": "45 1 5 4 *", "dst_fold": "both", **LORD_HOWE},
    "utc": {"cron": "30 2 29 3 *", "timezone": "UTC"},
}
# Which fire at each time, and what is noted with a schedule's next fire. Lord Howe turns its clock by half an hour.
Times = dict[datetime, set[str]]
SPRING: tuple[Times, Times] = (
    {
        datetime(2026, 3, 29, 1, tzinfo=UTC): {"rome"},
        datetime(2026, 3, 29, 2, 30, tzinfo=UTC): {"utc"},
        datetime(2026, 3, 30, 0, 30, tzinfo=UTC): {"rome-skip"},
        datetime(2026, 4, 4, 14, 45, tzinfo=UTC): {"howe-both"},
        datetime(2026, 4, 4, 15, 15, tzinfo=UTC): {"howe-both"},
    },
    {datetime(2026, 3, 29, 1, tzinfo=UTC): {"rome-skip"}},
)
AUTUMN: tuple[Times, Times] = (
    {
        datetime(2026, 10, 3, 15, 30, tzinfo=UTC): {"howe"},
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC): {"rome", "rome-both"},
        datetime(2026, 10, 25, 1, 30, tzinfo=UTC): {"rome-both"},
        datetime(2026, 10, 29, 1, 30, tzinfo=UTC): {"rome"},
    },
    {datetime(2026, 10, 25, 1, 30, tzinfo=UTC): {"rome"}},
)
ENDS = ["fired", "left_out"]
FIRES = """
SELECT at, code, outcome, decided_at FROM fires JOIN job_definitions AS definition ON definition.id = definition_id
"""


async def decided(pool: asyncpg.Pool, outcome: str = "fired") -> Times:
    """Which schedules have fired, by the time for which they did; each once, within three seconds of it."""
    found: Times = {}
    for row in await pool.fetch(FIRES + " WHERE outcome = $1", outcome):
        late = row["decided_at"] - row["at"]
        assert outcome != "fired" or timedelta(0) <= late < timedelta(seconds=3), dict(row)
        of_time = found.setdefault(row["at"], set())
        assert row["code"] not in of_time, dict(row)
        of_time.add(row["code"])
    return found


async def until_decided(pool: asyncpg.Pool, at: datetime, expected: set[str]) -> None:
    """Wait until these have fired for this time."""
    found = None
    try:
        async with asyncio.timeout(15):
            while (found := (await decided(pool)).get(at)) != expected:
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{at}: {found}, and it is {await pool.fetchval('SELECT now()')}") from None


@pytest.mark.usefixtures("faked_clocks")
@pytest.mark.parametrize(("fired", "left_out"), [SPRING, AUTUMN], ids=["spring", "autumn"])
@pytest.mark.fault(
    "F26", "PostgreSQL's clock set to a second before each change of a clock, and once back by it"
)
async def test_schedules_fire_as_documented_where_the_clock_is_led_over_its_changes(
    settings: Settings, tmp_path: Path, fired: Times, left_out: Times
) -> None:
    clock = SetClock(tmp_path)
    async with own_postgres(tmp_path, clock.environ) as postgres:
        begin = min(fired) - timedelta(hours=12)
        clock.set(begin)
        pool = await create_pool(postgres.url, size=4, application="tests")
        assert abs(await pool.fetchval("SELECT now()") - begin) < timedelta(minutes=1)
        try:
            async with (
                running_system(replace(settings, database_url=postgres.url), pool, workers=2) as system,
                system.apis[0].session() as api,
            ):
                for code, schedule in SCHEDULES.items():
                    body = {"code": code, "type": "echo", "schedule": schedule}
                    assert (await ask(api, "POST", "/api/job-definitions", json=body)).status == 201
                for at, expected in fired.items():
                    clock.set(at - timedelta(seconds=1))
                    await until_decided(pool, at, expected)
                clock.set(max(fired) - timedelta(seconds=1))
                await asyncio.sleep(2)
                await system.check()
                assert (await decided(pool), await decided(pool, "left_out")) == (fired, left_out)
                assert await pool.fetchval("SELECT count(*) FROM fires WHERE outcome <> ALL ($1)", ENDS) == 0
                made = await pool.fetchval("SELECT count(*) FROM jobs WHERE status = 'finished'")
                assert made == sum(map(len, fired.values()))
                assert system.started_again == 0
        finally:
            pool.terminate()
