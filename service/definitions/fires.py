"""When a schedule fires: the times of its cron expression in its zone, over changes of the clock too. Pure.

Between two changes of its offset a zone is a plain clock. At a change forward, the times that the clock leaves out
are moved to the first instant after the gap, or skipped. At a change back, the times that come twice fire at the first
of them, or at both. Whatever comes about, one instant fires once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from zoneinfo import ZoneInfo

from service.definitions.cron import Cron

_DAY = timedelta(days=1)
_MOMENT = timedelta(microseconds=1)
_FAR = timedelta(days=400)
_YEARS = 200  # so far ahead is looked, and no further: who asks waits for it
_LAST_YEAR = 9_900  # cronsim looks 50 years further, and a date ends with 9999


class Policy(StrEnum):
    """What decided about a time of the clock."""

    NORMAL = "normal"
    GAP_SHIFTED = "dst_gap_shifted"
    FOLD_FIRST = "dst_fold_first"
    FOLD_SECOND = "dst_fold_second"
    GAP_SKIPPED = "dst_gap_skipped"
    FOLD_SKIPPED = "dst_fold_skipped"


SKIPPED = frozenset({Policy.GAP_SKIPPED, Policy.FOLD_SKIPPED})


@dataclass(frozen=True, slots=True)
class Clock:
    """The cron expression of a schedule with what it says of zone, gaps and folds."""

    cron: Cron
    zone: ZoneInfo
    shifts_gaps: bool = True
    fires_both_folds: bool = False


@dataclass(frozen=True, slots=True)
class Fire:
    """A time of the clock: `at`, in UTC, is when it comes, or would have come where the policy skips it.

    `local` is what the clock shows then; of a time that it left out it has no offset, and `at` is the change.
    """

    at: datetime
    local: datetime
    policy: Policy

    @property
    def is_skipped(self) -> bool:
        """Whether nothing happens then."""
        return self.policy in SKIPPED


@dataclass(frozen=True, slots=True)
class _Stretch:
    """From `start` until before `end` the zone has one offset; before it had `before`."""

    start: datetime
    end: datetime
    offset: timedelta
    before: timedelta


def fires_after(clock: Clock, moment: datetime) -> Iterator[Fire]:
    """The times after `moment` (aware) and within 200 years of it, in their order."""
    last, coming = moment, None
    for stretch in _stretches(clock.zone, moment):
        end = _wall(stretch.end, stretch.offset)
        if coming is not None and coming > end:
            # Rare times are searched for once, not in each stretch before.
            continue
        for fire in _within(clock, stretch, moment):
            if fire.is_skipped:
                yield fire
            elif fire.at > last:
                yield fire
                last = fire.at
        coming = next(clock.cron.after(end - _DAY), None)  # of the last hour, which may come twice, too
        if coming is None:
            return


def _within(clock: Clock, stretch: _Stretch, moment: datetime) -> Iterator[Fire]:
    """The times of one stretch, those that the change at its start left out first."""
    begin, end = _wall(stretch.start, stretch.offset), _wall(stretch.end, stretch.offset)
    turned = _wall(stretch.start, stretch.before)  # what the clock would show, had it not been changed
    is_ahead = stretch.start > moment
    first = min(begin, turned) if is_ahead else _wall(moment.astimezone(UTC), stretch.offset)
    moved = False
    for wall in clock.cron.after(first - _MOMENT):
        if wall < begin:  # the clock leaves it out
            if is_ahead and not clock.shifts_gaps:
                yield Fire(stretch.start, wall, Policy.GAP_SKIPPED)
            moved = is_ahead and clock.shifts_gaps
            continue
        if moved and wall > begin:  # at `begin` itself it fires anyway
            yield Fire(stretch.start, _shown(stretch.start, stretch.offset), Policy.GAP_SHIFTED)
        moved = False
        if wall >= end:
            return
        at = _instant(wall, stretch.offset)
        if at <= moment:
            continue
        local = _shown(at, stretch.offset)
        if wall < turned:  # the clock shows it for the second time
            yield Fire(at, local, Policy.FOLD_SECOND if clock.fires_both_folds else Policy.FOLD_SKIPPED)
        elif _offset_of_second(clock.zone, at) != stretch.offset:
            yield Fire(at, local, Policy.FOLD_FIRST)
        else:
            yield Fire(at, local, Policy.NORMAL)


def _stretches(zone: ZoneInfo, moment: datetime) -> Iterator[_Stretch]:
    """The zone's stretches from `moment` on, each at most 400 days long."""
    # The change that made the offset at `moment` may be recent: what it left out or shows twice matters still.
    start = moment.astimezone(UTC).replace(microsecond=0) - _DAY
    before = offset = _offset(zone, start)
    last_year = min(start.year + _YEARS, _LAST_YEAR)
    while start.year < last_year:
        end = _change_after(zone, start, offset)
        if end > moment:
            yield _Stretch(start, end, offset, before)
        before, offset, start = offset, _offset(zone, end), end


def _change_after(zone: ZoneInfo, start: datetime, offset: timedelta) -> datetime:
    """When the zone's offset changes next, or `start` and 400 days. No zone changes back within a day."""
    low = start
    while low < start + _FAR:
        high = low + _DAY
        if _offset(zone, high) != offset:
            while high - low > timedelta(seconds=1):
                middle = low + timedelta(seconds=(high - low).total_seconds() // 2)
                low, high = (low, middle) if _offset(zone, middle) != offset else (middle, high)
            return high
        low = high
    return low


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None  # noqa: S101 - every zone has one
    return offset


def _offset_of_second(zone: ZoneInfo, moment: datetime) -> timedelta | None:
    """The offset when the clock shows the same for the last time."""
    return moment.astimezone(zone).replace(fold=1).utcoffset()


def _wall(moment: datetime, offset: timedelta) -> datetime:
    """What a clock with this offset shows."""
    return moment.replace(tzinfo=None) + offset


def _instant(wall: datetime, offset: timedelta) -> datetime:
    return (wall - offset).replace(tzinfo=UTC)


def _shown(moment: datetime, offset: timedelta) -> datetime:
    return moment.astimezone(timezone(offset))
