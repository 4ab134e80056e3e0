"""Cron expressions, by the hands of a clock that knows no time zone. Pure.

Five fields are Unix cron (minute hour day-of-month month day-of-week); six or seven are Quartz (second minute hour
day-of-month month day-of-week [year]), with `?`, `L`, `L-3`, `15W`, `LW`, `6#3` and 1 for Sunday. The evaluation is
cronsim's, which follows Debian's cron; Quartz is translated to it, and what cronsim lacks (W, L-3, years) is here.
What becomes of these times in a zone with summer time is in fires.py.
"""

import calendar
import re
from collections.abc import Iterator
from datetime import date, datetime

from cronsim import CronSim, CronSimError

LONGEST = 200
_FIRST_YEAR, _LAST_YEAR = 1970, 2199
_RANGES = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (1, 7))
_SECOND, _MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY = range(6)
_NAMES = ("seconds", "minutes", "hours", "day of month", "month", "day of week")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


class BadCron(ValueError):
    """The expression can't be read, or never comes true; the text says what is wrong."""


class Cron:
    """A cron expression. Raises BadCron."""

    def __init__(self, expression: str) -> None:
        if len(expression) > LONGEST:
            raise BadCron(f"is longer than {LONGEST} characters")
        fields = expression.upper().split()
        if not 5 <= len(fields) <= 7:  # noqa: PLR2004
            raise BadCron(f"has {len(fields)} fields: Unix cron has 5, Quartz 6 or 7")
        self._weekday_near: frozenset[int] = frozenset()
        self._days_from_end: frozenset[int] = frozenset()
        self._years: frozenset[int] | None = None
        if len(fields) == 5:  # noqa: PLR2004
            self._fields = ["0", *fields]
        else:
            self._fields = self._translated(fields)
        try:
            self._clock(datetime(2000, 1, 1))  # noqa: DTZ001 - a clock without a zone
        except CronSimError as error:
            raise BadCron(str(error).lower()) from None
        if next(self.after(datetime(2000, 1, 1)), None) is None:  # noqa: DTZ001
            raise BadCron("never comes true")

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The times after `moment`, which has no zone, as they have none; it ends when 50 years bring no more."""
        years = self._years
        clock = self._clock(moment)
        for found in clock:
            if years is None or found.year in years:
                yield found
                continue
            later = min((year for year in years if year > found.year), default=None)
            if later is None:
                return
            clock.dt = datetime(later - 1, 12, 31, 23, 59, 59)  # noqa: DTZ001

    def _clock(self, moment: datetime) -> "_Clock":
        return _Clock(" ".join(self._fields), moment, self._weekday_near, self._days_from_end)

    def _translated(self, fields: list[str]) -> list[str]:
        """The fields of Quartz as cronsim takes them."""
        if len(fields) == 7:  # noqa: PLR2004
            self._years = _years(fields.pop())
        if fields[_DAY] == "?" and fields[_WEEKDAY] == "?":
            raise BadCron("? stands for the day of month or for the day of week, not for both")
        day, near, from_end = [], set(), set()
        for term in fields[_DAY].split(","):
            if found := re.fullmatch(r"([0-9]{1,2})W", term):
                near.add(_within(_DAY, found[1]))
            elif found := re.fullmatch(r"L-([0-9]{1,2})", term):
                from_end.add(_within(_DAY, found[1], least=0, most=30))
            else:
                day.append(_plain(_DAY, term))
        self._weekday_near, self._days_from_end = frozenset(near), frozenset(from_end)
        rest = [
            ",".join(_plain(place, term) for term in fields[place].split(","))
            for place in (_SECOND, _MINUTE, _HOUR, _MONTH)
        ]
        weekday = ",".join(_weekday(term) for term in fields[_WEEKDAY].split(","))
        return [*rest[:3], ",".join(day) or _Clock.NO_DAY, rest[3], weekday]


class _Clock(CronSim):
    """cronsim, which knows no weekday near a day, and no day before the last one."""

    NO_DAY = "31"  # stands where only such days are meant; taken out again

    def __init__(
        self, fields: str, moment: datetime, weekday_near: frozenset[int], days_from_end: frozenset[int]
    ) -> None:
        self._weekday_near, self._days_from_end = weekday_near, days_from_end
        super().__init__(fields, moment)
        if (weekday_near or days_from_end) and self.parts[_DAY] == self.NO_DAY:
            self.days = set()

    def match_dom(self, d: date) -> bool:
        """Whether the day of month is meant."""
        if super().match_dom(d):
            return True
        if not self._weekday_near and not self._days_from_end:
            return False
        last = calendar.monthrange(d.year, d.month)[1]
        return last - d.day in self._days_from_end or any(
            d.day == _nearest_weekday(d.year, d.month, min(day, last)) for day in self._weekday_near
        )


def _nearest_weekday(year: int, month: int, day: int) -> int:
    """The Monday to Friday of that month that is nearest to the day."""
    first_weekday, last = calendar.monthrange(year, month)
    weekday = (first_weekday + day - 1) % 7
    if weekday == calendar.SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == calendar.SUNDAY:
        return day + 1 if day < last else day - 2
    return day


def _plain(place: int, term: str) -> str:
    """A term of a field: `*`, `?`, a value, a range (which may run over the end), each with a step or without."""
    if place == _DAY and term in ("L", "LW"):
        return term
    whole, slash, step = term.partition("/")
    if slash and not (step.isdigit() and int(step) > 0):
        raise BadCron(f"bad step in {_NAMES[place]}: {term}")
    least, most = _RANGES[place]
    if whole in ("*", "?") and (whole == "*" or place in (_DAY, _WEEKDAY)):
        return f"*/{step}" if slash else "*"
    start, dash, end = whole.partition("-")
    first = _number(place, start)
    if not dash:
        return ",".join(map(str, range(first, most + 1, int(step)))) if slash else str(first)
    until = _number(place, end)
    around = until if first <= until else until + most - least + 1
    values = range(first, around + 1, int(step or 1))
    return ",".join(str((value - least) % (most - least + 1) + least) for value in values)


def _weekday(term: str) -> str:
    """A term of the day of week: 1 is Sunday, which is 0 in cronsim."""
    if term == "L":
        return "6"
    if found := re.fullmatch(r"([A-Z]{3}|[0-9])L", term):
        return f"{_number(_WEEKDAY, found[1]) - 1}L"
    if found := re.fullmatch(r"([A-Z]{3}|[0-9])#([1-5])", term):
        return f"{_number(_WEEKDAY, found[1]) - 1}#{found[2]}"
    plain = _plain(_WEEKDAY, term)
    return plain if plain.startswith("*") else ",".join(str(int(value) - 1) for value in plain.split(","))


def _number(place: int, text: str) -> int:
    if place == _MONTH and text in _MONTHS:
        return _MONTHS.index(text) + 1
    if place == _WEEKDAY and text in _WEEKDAYS:
        return _WEEKDAYS.index(text) + 1
    return _within(place, text)


def _within(place: int, text: str, *, least: int | None = None, most: int | None = None) -> int:
    low, high = _RANGES[place]
    low, high = low if least is None else least, high if most is None else most
    if not (re.fullmatch(r"[0-9]{1,2}", text) and low <= int(text) <= high):
        raise BadCron(f"bad {_NAMES[place]}: {text[:20]} is none of {low} to {high}")
    return int(text)


def _years(field: str) -> frozenset[int] | None:
    """The years of Quartz's seventh field; None for all."""
    if field in ("*", "?"):
        return None
    years: set[int] = set()
    for term in field.split(","):
        found = re.fullmatch(r"(?:\*|([0-9]{4})(?:-([0-9]{4}))?)(?:/([1-9][0-9]{0,2}))?", term)
        if found is None:
            raise BadCron(f"bad year: {term[:20]}")
        first = int(found[1] or _FIRST_YEAR)
        last = int(found[2] or (_LAST_YEAR if found[3] or not found[1] else first))
        if not _FIRST_YEAR <= first <= last <= _LAST_YEAR:
            raise BadCron(f"bad year: {term} is not within {_FIRST_YEAR} to {_LAST_YEAR}")
        years.update(range(first, last + 1, int(found[3] or 1)))
    return frozenset(years)
