"""What a process takes for the database's time."""

import time
from datetime import UTC, datetime

import pytest

from service.db.clock import DatabaseClock


@pytest.mark.parametrize(
    ("told", "passed", "milliseconds"),
    [
        (1_000.0006, 0.0, 1_000_000),
        (1_000.0006, 0.0003, 1_000_000),
        (1_000.0006, 0.0005, 1_000_001),
        (999.9994, 0.0005, 999_999),
    ],
)
def test_it_is_never_ahead(
    monkeypatch: pytest.MonkeyPatch, told: float, passed: float, milliseconds: int
) -> None:
    clock = DatabaseClock()
    monkeypatch.setattr("time.monotonic", lambda: 50.0)
    clock.told(told, 49.0)
    monkeypatch.setattr("time.monotonic", lambda: 50.0 + passed)
    assert clock.milliseconds() == milliseconds


@pytest.mark.parametrize(
    ("told", "milliseconds"),
    [
        (1_010.0, 1_011_994),  # two seconds under way: twelve have passed, less what clocks may drift in them
        (1_011.999, 1_011_999),
        (1_009.9, 1_009_900),  # it was set back, or it would have shown 1,010 when it was asked
        (5_000.0, 5_000_000),
    ],
)
def test_an_answer_that_dawdles_does_not_put_it_behind(
    monkeypatch: pytest.MonkeyPatch, told: float, milliseconds: int
) -> None:
    clock = DatabaseClock()
    monkeypatch.setattr("time.monotonic", lambda: 50.0)
    clock.told(1_000.0, 49.999)
    monkeypatch.setattr("time.monotonic", lambda: 62.0)
    clock.told(told, 60.0)
    assert clock.milliseconds() == milliseconds


def test_who_sets_the_machines_clock_does_not_move_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = DatabaseClock()
    clock.told(datetime(2026, 1, 1, tzinfo=UTC).timestamp(), time.monotonic())
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert datetime(2026, 1, 1, tzinfo=UTC) <= clock.now() < datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
