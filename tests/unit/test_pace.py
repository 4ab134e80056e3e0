"""Retry-After, from state and from how long such jobs take."""

from datetime import UTC, datetime, timedelta

import pytest

from service.jobs.pace import seconds_until_news

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER, EARLIER = timedelta(seconds=30), timedelta(seconds=-30)


@pytest.mark.parametrize(
    ("status", "due", "started", "typical", "expected"),
    [
        ("suspended", EARLIER, None, 5.0, 60),
        ("pending", LATER, None, 5.0, 30),
        ("pending", timedelta(days=1), None, None, 60),
        ("pending", EARLIER, None, None, 1),
        ("pending", EARLIER, None, 7.2, 8),
        ("pending", EARLIER, None, 0.01, 1),
        ("pending", EARLIER, None, 900.0, 60),
        ("running", EARLIER, EARLIER, 42.0, 12),
        ("running", EARLIER, EARLIER, 10.0, 3),
        ("running", EARLIER, EARLIER, None, 3),
        ("running", EARLIER, timedelta(hours=-1), 10.0, 60),
        ("running", EARLIER, timedelta(0), None, 1),
        ("running", EARLIER, timedelta(seconds=1), None, 1),
    ],
)
def test_a_client_is_told_when_there_may_be_news(
    status: str, due: timedelta, started: timedelta | None, typical: float | None, expected: int
) -> None:
    began = None if started is None else NOW + started
    assert seconds_until_news(status, NOW + due, began, typical, NOW) == expected
