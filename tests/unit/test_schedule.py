"""What becomes of fires that were missed, and how jitter is drawn."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from service.definitions.schedule import MISFIRE, due_at, next_of, times_of, to_fire
from service.definitions.schemas import ScheduleIn
from service.web.payload import load

NOW = datetime(2026, 11, 26, 10, 0, 30, tzinfo=UTC)
ID = UUID("0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f")


def schedule(cron: str = "* * * * *", **more: Any) -> dict[str, Any]:
    return load(ScheduleIn(), {"cron": cron, **more})


@pytest.mark.parametrize(
    ("misfire", "expected"), [("skip", {3, 4}), ("once", {2, 3, 4}), ("all", {0, 1, 2, 3, 4})]
)
def test_of_missed_fires_none_the_last_or_all_are_made_up_for(misfire: str, expected: set[int]) -> None:
    due = [NOW - MISFIRE - timedelta(hours=hours) for hours in (3, 2, 1)] + [NOW - MISFIRE, NOW]
    assert to_fire(due, NOW, misfire) == expected


def test_at_most_a_hundred_are_made_up_for() -> None:
    due = [NOW - timedelta(hours=hours) for hours in range(500, 0, -1)]
    assert to_fire(due, NOW, "all") == set(range(400, 500))


def test_a_schedule_keeps_within_its_start_and_its_end() -> None:
    start, end = "2026-11-26T12:00:00Z", "2026-11-26T12:02:00Z"
    found = [fire.at.isoformat() for fire in times_of(schedule(start_at=start, end_at=end), NOW)]
    assert found == [f"2026-11-26T12:0{minute}:00+00:00" for minute in range(3)]
    assert next_of(schedule(end_at="2026-11-26T10:00:59Z"), ID, NOW).run_at is None


def test_a_schedule_that_is_off_has_no_next_time() -> None:
    assert next_of(None, ID, NOW).run_at is None
    assert next_of(schedule(enabled=False), ID, NOW).run_at is None
    assert next_of(schedule(), ID, NOW).run_at == datetime(2026, 11, 26, 10, 1, tzinfo=UTC)


def test_jitter_is_the_same_for_whoever_asks_and_spreads_over_its_seconds() -> None:
    jittered = schedule(jitter_seconds=600)
    moments = [NOW + timedelta(hours=hours) for hours in range(300)]
    drawn = [(due_at(jittered, ID, at) - at).total_seconds() for at in moments]
    assert drawn == [(due_at(jittered, ID, at) - at).total_seconds() for at in moments]
    assert min(drawn) >= 0
    assert max(drawn) <= 600
    assert max(drawn) - min(drawn) > 400
    assert due_at(schedule(), ID, NOW) == NOW
