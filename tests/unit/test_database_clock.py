"""What a process takes for the database's time."""

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
    clock.told(told)
    monkeypatch.setattr("time.monotonic", lambda: 50.0 + passed)
    assert clock.milliseconds() == milliseconds


def test_who_sets_the_machines_clock_does_not_move_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = DatabaseClock()
    clock.told(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert datetime(2026, 1, 1, tzinfo=UTC) <= clock.now() < datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
