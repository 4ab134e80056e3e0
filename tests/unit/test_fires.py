"""When schedules fire over changes of the clock, held against a walk through every minute."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.definitions.cron import Cron
from service.definitions.fires import Clock, Fire, Policy, fires_after

ROME, LORD_HOWE = ZoneInfo("Europe/Rome"), ZoneInfo("Australia/Lord_Howe")
FORWARD = datetime(2026, 3, 28, 12, tzinfo=UTC)
BACK = datetime(2026, 10, 24, 12, tzinfo=UTC)
Policies = tuple[bool, bool]
"""Whether gaps are shifted, and whether both times of a fold fire."""
SHIFT_FIRST, SKIP_FIRST, SHIFT_BOTH = (True, False), (False, False), (True, True)


def between(clock: Clock, start: datetime, hours: float) -> list[Fire]:
    end = start + timedelta(hours=hours)
    return list(takewhile(lambda fire: fire.at <= end, fires_after(clock, start)))


def told(clock: Clock, start: datetime, hours: float = 24) -> list[tuple[str, str]]:
    return [(fire.local.isoformat(timespec="minutes"), fire.policy) for fire in between(clock, start, hours)]


@pytest.mark.parametrize(
    ("expression", "zone", "start", "policies", "expected"),
    [
        ("30 2 * * *", ROME, FORWARD, SHIFT_FIRST, [("2026-03-29T03:00+02:00", "dst_gap_shifted")]),
        ("30 2 * * *", ROME, FORWARD, SKIP_FIRST, [("2026-03-29T02:30", "dst_gap_skipped")]),
        ("30 2 * * *", ROME, BACK, SHIFT_FIRST,
         [("2026-10-25T02:30+02:00", "dst_fold_first"), ("2026-10-25T02:30+01:00", "dst_fold_skipped")]),
        ("30 2 * * *", ROME, BACK, SHIFT_BOTH,
         [("2026-10-25T02:30+02:00", "dst_fold_first"), ("2026-10-25T02:30+01:00", "dst_fold_second")]),
        # Three times of one gap are one fire; at its end it fires anyway.
        ("15,30,45 2 * * *", ROME, FORWARD, SHIFT_FIRST, [("2026-03-29T03:00+02:00", "dst_gap_shifted")]),
        ("0 2,3 * * *", ROME, FORWARD, SHIFT_FIRST, [("2026-03-29T03:00+02:00", "normal")]),
        ("0 1,2,3 * * *", ROME, BACK, SHIFT_BOTH,
         [("2026-10-25T01:00+02:00", "normal"), ("2026-10-25T02:00+02:00", "dst_fold_first"),
          ("2026-10-25T02:00+01:00", "dst_fold_second"), ("2026-10-25T03:00+01:00", "normal")]),
        # Lord Howe turns its clock by half an hour, at 2:00.
        ("15 2 * * *", LORD_HOWE, datetime(2026, 10, 3, 12, tzinfo=UTC), SHIFT_FIRST,
         [("2026-10-04T02:30+11:00", "dst_gap_shifted")]),
        ("45 1 * * *", LORD_HOWE, datetime(2026, 4, 4, 12, tzinfo=UTC), SHIFT_BOTH,
         [("2026-04-05T01:45+11:00", "dst_fold_first"), ("2026-04-05T01:45+10:30", "dst_fold_second")]),
        ("15 1 * * *", LORD_HOWE, datetime(2026, 4, 4, 12, tzinfo=UTC), SHIFT_BOTH,
         [("2026-04-05T01:15+11:00", "normal")]),
    ],
)  # fmt: skip
@pytest.mark.fault("F26", "cron over DST in Rome, Lord Howe and other zones")
def test_a_schedule_over_a_change_of_the_clock(
    expression: str, zone: ZoneInfo, start: datetime, policies: Policies, expected: list[tuple[str, str]]
) -> None:
    assert told(Clock(Cron(expression), zone, *policies), start) == expected


def walked(expression: str, zone: ZoneInfo, start: datetime, hours: int, folds: int) -> Iterator[datetime]:
    """Every minute whose clock time the expression has in a clock without a zone, the first or both times it comes."""
    plain = set(
        takewhile(
            lambda wall: wall < start.replace(tzinfo=None) + timedelta(hours=hours + 30),
            Cron(expression).after(start.replace(tzinfo=None) - timedelta(hours=30)),
        )
    )
    for minute in range(1, hours * 60 + 1):
        at = start + timedelta(minutes=minute)
        local = at.astimezone(zone)
        if local.replace(tzinfo=None, fold=0) in plain and local.fold < folds:
            yield at


CHANGES = [
    (ROME, datetime(2026, 3, 28, 20, tzinfo=UTC)),
    (ROME, datetime(2026, 10, 24, 20, tzinfo=UTC)),
    (LORD_HOWE, datetime(2026, 4, 4, 10, tzinfo=UTC)),
    (LORD_HOWE, datetime(2026, 10, 3, 10, tzinfo=UTC)),
    (ZoneInfo("America/New_York"), datetime(2026, 3, 8, 3, tzinfo=UTC)),
    (ZoneInfo("Africa/Casablanca"), datetime(2026, 2, 14, 20, tzinfo=UTC)),
    (ZoneInfo("Pacific/Apia"), datetime(2011, 12, 29, 20, tzinfo=UTC)),  # a day that there was not
    (ZoneInfo("UTC"), datetime(2026, 3, 28, 20, tzinfo=UTC)),
]


@given(
    st.sampled_from(CHANGES),
    st.tuples(*(st.sets(st.integers(0, most), min_size=1, max_size=6) for most in (59, 23))),
    st.sampled_from([1, 2]),
    st.integers(0, 600),
)
@settings(max_examples=60, deadline=None)
def test_no_minute_is_missed_or_doubled(
    change: tuple[ZoneInfo, datetime], fields: tuple[set[int], set[int]], folds: int, ahead: int
) -> None:
    zone, start = change[0], change[1] + timedelta(minutes=ahead)
    expression = " ".join(",".join(map(str, sorted(values))) for values in fields) + " * * *"
    found = between(Clock(Cron(expression), zone, shifts_gaps=False, fires_both_folds=folds == 2), start, 48)
    fired = [fire.at for fire in found if not fire.is_skipped]
    assert fired == list(walked(expression, zone, start, 48, folds))
    shifted = between(Clock(Cron(expression), zone, shifts_gaps=True, fires_both_folds=folds == 2), start, 48)
    gaps = {fire.at for fire in found if fire.policy == Policy.GAP_SKIPPED}
    assert [fire.at for fire in shifted if not fire.is_skipped] == sorted({*fired, *gaps})


@given(st.sampled_from(CHANGES), st.tuples(st.booleans(), st.booleans()), st.integers(0, 60 * 12))
@settings(max_examples=40, deadline=None)
def test_wherever_one_begins_the_times_are_the_same(
    change: tuple[ZoneInfo, datetime], policies: Policies, later: int
) -> None:
    clock = Clock(Cron("*/7 * * * *"), change[0], *policies)
    moment = change[1] + timedelta(minutes=later)
    whole = [fire for fire in between(clock, change[1], 24) if fire.at > moment]
    assert between(clock, moment, 24 - later / 60) == whole


def test_a_schedule_that_ends_ends() -> None:
    clock = Clock(Cron("0 0 0 1 1 ? 2027,2028"), ROME)
    assert [fire.at.year for fire in islice(fires_after(clock, FORWARD), 5)] == [2026, 2027]


def test_the_second_of_two_times_is_not_lost_where_the_expression_ends() -> None:
    assert told(Clock(Cron("0 30 2 25 10 ? 2026"), ROME, *SHIFT_BOTH), BACK) == [
        ("2026-10-25T02:30+02:00", "dst_fold_first"),
        ("2026-10-25T02:30+01:00", "dst_fold_second"),
    ]


def test_rare_times_are_looked_for_two_hundred_years_ahead_and_no_further() -> None:
    fifth_sundays_of_february = Clock(Cron("0 0 0 ? 2 1#5"), ROME)
    years = [fire.local.year for fire in fires_after(fifth_sundays_of_february, FORWARD)]
    assert years == [2032, 2060, 2088, 2128, 2156, 2184, 2224]
    late = datetime(9_890, 1, 1, tzinfo=UTC)
    assert [fire.local.year for fire in fires_after(Clock(Cron("0 0 1 1 *"), ROME), late)][-1] < 9_990
