"""What is noted of a job's progress, and text that PostgreSQL takes."""

from unittest.mock import Mock
from uuid import uuid4

import pytest

from service.db.clock import DatabaseClock
from workers.lease import Lease
from workers.progress import ProgressBook, clean


async def test_the_highest_percent_of_a_window_is_the_one_that_is_kept() -> None:
    book, lease = ProgressBook(Mock(), Mock(), DatabaseClock()), Lease(uuid4(), 1, uuid4(), 0)
    for percent in (10, 80.9, 20, -5):
        book.progress(lease, percent, f"at {percent}", None)
    entry = await book.take(lease)
    assert entry is not None
    assert (entry.percent, entry.running_output) == (80, "at -5")
    assert await book.take(lease) is None


async def test_a_level_that_there_is_not_is_refused_at_once() -> None:
    book, lease = ProgressBook(Mock(), Mock(), DatabaseClock()), Lease(uuid4(), 1, uuid4(), 0)
    with pytest.raises(ValueError, match="shout"):
        book.message(lease, "shout", "x", None)


def test_plain_text_stays_as_it_is() -> None:
    assert clean("Riga 3 di 10: è già qui €", 100) == "Riga 3 di 10: è già qui €"


def test_long_text_is_cut_to_the_limit_and_says_so() -> None:
    assert clean("x" * 100, 100) == "x" * 100
    assert clean("x" * 101, 100) == "x" * 99 + "…"


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "\udfff"])
def test_what_postgresql_refuses_is_replaced(text: str) -> None:
    cleaned = clean(text, 100)
    assert "\0" not in cleaned
    assert len(cleaned) == len(text)
    cleaned.encode()
