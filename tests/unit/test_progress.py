"""Text that PostgreSQL takes."""

import pytest

from workers.progress import clean


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
