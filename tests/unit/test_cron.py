"""Cron expressions: what each field may say, and the days that Quartz has words for."""

from datetime import datetime
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.definitions.cron import BadCron, Cron

FROM = datetime.fromisoformat("2026-11-26T10:00:00")


def times(expression: str, count: int = 4) -> list[str]:
    return [f"{moment:%a %Y-%m-%d %H:%M:%S}" for moment in islice(Cron(expression).after(FROM), count)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 12 * * *", ["Thu 2026-11-26 12:00:00", "Fri 2026-11-27 12:00:00"]),
        ("*/20 9-10 * * 1-5", ["Thu 2026-11-26 10:20:00", "Thu 2026-11-26 10:40:00", "Fri 2026-11-27 09:00:00"]),
        ("0 0 1 * 0", ["Sun 2026-11-29 00:00:00", "Tue 2026-12-01 00:00:00"]),  # either of the two, as in Unix
        ("0 0 13 * 7", ["Sun 2026-11-29 00:00:00"]),
        ("30 6 29 feb *", ["Tue 2028-02-29 06:30:00", "Sun 2032-02-29 06:30:00"]),
        ("0 0 12 * * ?", ["Thu 2026-11-26 12:00:00", "Fri 2026-11-27 12:00:00"]),
        ("* * * * * *", ["Thu 2026-11-26 10:00:01", "Thu 2026-11-26 10:00:02"]),
        ("0/30 0 10 * * ?", ["Thu 2026-11-26 10:00:30", "Fri 2026-11-27 10:00:00"]),
        ("0 15 10 ? * 6L", ["Fri 2026-11-27 10:15:00", "Fri 2026-12-25 10:15:00"]),  # the last Friday
        ("0 15 10 ? * FRIL", ["Fri 2026-11-27 10:15:00", "Fri 2026-12-25 10:15:00"]),
        ("0 15 10 ? * 6#3", ["Fri 2026-12-18 10:15:00", "Fri 2027-01-15 10:15:00"]),
        ("0 15 10 ? * L", ["Sat 2026-11-28 10:15:00", "Sat 2026-12-05 10:15:00"]),
        ("0 15 10 ? * 1", ["Sun 2026-11-29 10:15:00"]),
        ("0 15 10 ? * 7", ["Sat 2026-11-28 10:15:00"]),
        ("0 15 10 ? * FRI-MON", ["Fri 2026-11-27", "Sat", "Sun", "Mon", "Fri 2026-12-04"]),
        ("0 15 10 L * ?", ["Mon 2026-11-30 10:15:00", "Thu 2026-12-31 10:15:00"]),
        ("0 15 10 L-2 * ?", ["Sat 2026-11-28 10:15:00", "Tue 2026-12-29 10:15:00"]),
        ("0 15 10 LW * ?", ["Mon 2026-11-30", "Thu 2026-12-31", "Fri 2027-01-29", "Fri 2027-02-26"]),
        ("0 0 12 15W * ?", ["Tue 2026-12-15", "Fri 2027-01-15", "Mon 2027-02-15", "Mon 2027-03-15"]),
        ("0 0 12 1W 8 ?", ["Mon 2027-08-02"]),  # the 1st is a Sunday, and July is another month
        ("0 0 12 31W 1 ?", ["Fri 2027-01-29"]),  # the 31st is a Sunday, and February is another month
        ("0 0 12 5,15W,L 12 ?", ["Sat 2026-12-05", "Tue 2026-12-15", "Thu 2026-12-31"]),
        ("0 0 22-2 * * ?", ["Thu 2026-11-26 22:00:00", "Thu 2026-11-26 23:00:00", "Fri 2026-11-27 00:00:00"]),
        ("0 0 0 1 JAN ? 2030-2040/5", ["Tue 2030-01-01", "Mon 2035-01-01", "Sun 2040-01-01"]),
    ],
)  # fmt: skip
def test_an_expression_comes_true_at_these_times(expression: str, expected: list[str]) -> None:
    found = times(expression, len(expected))
    assert len(found) == len(expected)
    for moment, begin in zip(found, expected, strict=True):
        assert moment.startswith(begin), (expression, found)


def test_an_expression_with_years_comes_to_an_end() -> None:
    assert times("0 0 0 1 1 ? 2028,2030") == ["Sat 2028-01-01 00:00:00", "Tue 2030-01-01 00:00:00"]


@pytest.mark.parametrize(
    "expression",
    [
        "", "* * * *", "* * * * * * * *", "@daily", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *",
        "* * * * 8", "*/0 * * * *", "5-1 * * * *", "a * * * *", "0 0 31 2 *", "0 0 30 2 ?", "0 0 0 30 2 ?",
        "0 0 0 ? * ?", "0 0 0 32W * ?", "0 0 0 0W * ?", "0 0 0 L-31 * ?", "0 0 0 ? * 8", "0 0 0 ? * 0", "0 0 0 ? * 2#6",
        "0 0 0 1 1 ? 1969", "0 0 0 1 1 ? 2200", "0 0 0 1 1 ? 2030-2020", "0 0 0 29 2 ? 2027", "0 0 0 1 1 ? x",
        "? 0 0 1 1 ?", "1 2 3 4 5 \N{ARABIC-INDIC DIGIT ONE}", "0 0 * * " + "1," * 200,
    ],
)  # fmt: skip
def test_what_is_no_expression_or_never_comes_true_is_refused(expression: str) -> None:
    with pytest.raises(BadCron) as refused:
        Cron(expression)
    assert str(refused.value)


@given(
    st.text(max_size=80) | st.lists(st.sampled_from("*?LW#/-,0123456789 JANSUN"), max_size=60).map("".join)
)
def test_whatever_is_said_is_read_or_refused(text: str) -> None:
    try:
        cron = Cron(text)
    except BadCron:
        return
    assert next(cron.after(FROM), None) is not None
