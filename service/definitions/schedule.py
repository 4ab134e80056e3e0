"""What a schedule asks for: when it fires next, and what becomes of fires that nobody was there for. Pure.

A schedule is a loaded schemas.ScheduleIn; kept as JSON, it reads back through the same schema.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from service.definitions.cron import Cron
from service.definitions.fires import Clock, Fire, fires_after

MISFIRE = timedelta(seconds=10)
"""A fire that is later than this, since no scheduler was there, is missed: `misfire` says what becomes of it."""
MADE_UP_FOR = 100
"""With misfire `all`, so many of the missed fires are made up for, the latest ones."""
_MOMENT = timedelta(milliseconds=1)

Schedule = Mapping[str, Any]


class Next(NamedTuple):
    """How far a schedule has come: up to when its times are decided, the next one, and that with its jitter."""

    walked_at: datetime | None
    run_at: datetime | None
    due_at: datetime | None


def clock_of(schedule: Schedule) -> Clock:
    """The clock of a schedule, or of a schemas.ClockIn."""
    return Clock(
        Cron(schedule["cron"]),
        ZoneInfo(schedule["timezone"]),
        shifts_gaps=schedule["dst_gap"] == "shift",
        fires_both_folds=schedule["dst_fold"] == "both",
    )


def times_of(schedule: Schedule, after: datetime) -> Iterator[Fire]:
    """The times after `after`, from `start_at` to `end_at`, both of them inclusive."""
    start, end = schedule["start_at"], schedule["end_at"]
    times = fires_after(clock_of(schedule), after if start is None else max(after, start - _MOMENT))
    return times if end is None else takewhile(lambda fire: fire.at <= end, times)


def next_of(schedule: Schedule | None, definition_id: UUID, after: datetime) -> Next:
    """What comes after `after`; nothing, of a schedule that is off or at its end."""
    if schedule is None or not schedule["enabled"]:
        return Next(None, None, None)
    for fire in times_of(schedule, after):
        if not fire.is_skipped:
            return Next(after, fire.at, due_at(schedule, definition_id, fire.at))
    return Next(None, None, None)


def due_at(schedule: Schedule, definition_id: UUID, at: datetime) -> datetime:
    """When a fire comes about: at its time, and up to `jitter_seconds` later, the same for whoever asks."""
    if not schedule["jitter_seconds"]:
        return at
    drawn = hashlib.sha256(f"{definition_id} {at.isoformat()}".encode()).digest()
    return at + timedelta(milliseconds=int.from_bytes(drawn[:8]) % (schedule["jitter_seconds"] * 1000 + 1))


def to_fire(due: Sequence[datetime], now: datetime, misfire: str) -> set[int]:
    """Which of the fires that are due fire, by their places; the others were missed."""
    late = [place for place, at in enumerate(due) if at < now - MISFIRE]
    made_up_for = {"skip": 0, "once": 1, "all": MADE_UP_FOR}[misfire]
    return set(range(len(late), len(due))) | set(late[max(0, len(late) - made_up_for) :])
