"""Cursors: good for the next page of the very same question, and for nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.jobs.cursor import NotOurs, seal, unseal

KEYS = ("the newest key", "an older key")


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_a_cursor_gives_back_its_position(question: bytes, position: bytes) -> None:
    assert unseal(KEYS, question, seal(KEYS, question, position)) == position


def test_a_cursor_of_an_older_key_is_still_good() -> None:
    assert unseal(KEYS, b"q", seal(KEYS[1:], b"q", b"p")) == b"p"


def test_a_cursor_of_a_key_that_is_gone_is_refused() -> None:
    with pytest.raises(NotOurs):
        unseal(KEYS[:1], b"q", seal(KEYS[1:], b"q", b"p"))


def test_a_cursor_of_another_question_is_refused() -> None:
    with pytest.raises(NotOurs):
        unseal(KEYS, b"another", seal(KEYS, b"q", b"p"))


def test_a_cursor_with_any_other_character_is_refused() -> None:
    cursor = seal(KEYS, b"q", b"position")
    for place in range(len(cursor)):
        for other in "Ab9_":
            changed = cursor[:place] + other + cursor[place + 1 :]
            if changed != cursor:
                with pytest.raises(NotOurs):
                    unseal(KEYS, b"q", changed)


@given(st.text(max_size=60))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(NotOurs):
        unseal(KEYS, b"q", text)
