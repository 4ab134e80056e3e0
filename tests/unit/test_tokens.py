"""Tokens: what is made is understood, and no typo is."""

import string
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from service.access.tokens import make_token, may_be_a_token, new_secret, parse_token, token_hash

KEY_ID = UUID("0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f")
TOKEN = make_token(KEY_ID, "0123456789ab" * 4)
PRINTABLE = string.ascii_letters + string.digits + string.punctuation + " "


@given(st.uuids())
def test_a_made_token_gives_its_key_back(key_id: UUID) -> None:
    token = make_token(key_id, new_secret())
    assert parse_token(token) == key_id
    assert may_be_a_token(token)


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from(PRINTABLE))
def test_every_flipped_character_is_refused(position: int, character: str) -> None:
    flipped = TOKEN[:position] + character + TOKEN[position + 1 :]
    if flipped != TOKEN:
        assert parse_token(flipped) is None
        # Without its first characters it is just some text, which the database does not know.
        assert not may_be_a_token(flipped) or position < len("lv_")


@given(st.integers(0, len(TOKEN) - 2))
def test_two_neighbours_that_changed_places_are_refused(position: int) -> None:
    swapped = TOKEN[:position] + TOKEN[position + 1] + TOKEN[position] + TOKEN[position + 2 :]
    assert swapped == TOKEN or parse_token(swapped) is None


@given(st.text())
def test_no_text_is_taken_for_a_token_of_ours_by_chance(text: str) -> None:
    assert parse_token(text) is None


def test_a_secret_is_192_random_bits() -> None:
    assert len(bytes.fromhex(new_secret())) * 8 == 192
    assert new_secret() != new_secret()


def test_the_hash_covers_the_whole_token() -> None:
    assert len(token_hash(TOKEN)) == 32
    assert token_hash(TOKEN) != token_hash(TOKEN[:-1])


def test_an_operators_own_key_is_any_printable_text_of_20_to_512_characters() -> None:
    assert may_be_a_token("k" * 20)
    assert may_be_a_token("k" * 512)
    assert may_be_a_token("correct horse battery staple")
    assert may_be_a_token("lv_of-my-own-making-1234")
    assert may_be_a_token("più-di-venti-caratteri-è")
    assert not may_be_a_token("k" * 19)
    assert not may_be_a_token("k" * 513)
    assert not may_be_a_token("k" * 20 + "\n")
    assert not may_be_a_token("k" * 20 + "\udcff")
