"""Tokens of download links."""

import re
import string
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.files.links import TOKEN_LENGTH, LinkSigner, link_url

LINK = UUID("0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f")
SIGNER = LinkSigner(["a secret of the tests"])
TOKEN = SIGNER.token(LINK)


def test_a_token_is_the_same_each_time_and_safe_in_a_url() -> None:
    assert LinkSigner(["a secret of the tests"]).token(LINK) == TOKEN
    assert re.fullmatch(rf"[A-Za-z0-9_-]{{{TOKEN_LENGTH}}}", TOKEN)
    assert SIGNER.verify(LINK, TOKEN)


def test_a_token_says_nothing_of_its_key_to_another_installation() -> None:
    assert LinkSigner(["another"]).token(LINK)[:8] != TOKEN[:8]
    assert not LinkSigner(["another"]).verify(LINK, TOKEN)


def test_a_token_is_good_for_its_own_link_alone() -> None:
    assert not SIGNER.verify(uuid4(), TOKEN)


@pytest.mark.parametrize("at", range(TOKEN_LENGTH))
def test_a_token_with_any_character_changed_is_refused(at: int) -> None:
    alphabet = string.ascii_letters + string.digits + "-_"
    for character in alphabet:
        forged = TOKEN[:at] + character + TOKEN[at + 1 :]
        assert SIGNER.verify(LINK, forged) == (forged == TOKEN)


@given(st.text(st.characters()) | st.text(st.characters()).map(lambda text: TOKEN[:8] + text))
def test_any_other_text_is_refused(text: str) -> None:
    assert not SIGNER.verify(LINK, text)


@pytest.mark.parametrize("forged", ["", TOKEN + "=", TOKEN + "A", TOKEN[:-1], TOKEN + "\n", " " + TOKEN])
def test_a_token_that_is_longer_or_shorter_is_refused(forged: str) -> None:
    assert not SIGNER.verify(LINK, forged)


def test_a_rotation_signs_with_the_new_key_and_keeps_tokens_of_the_old_one_good() -> None:
    rotated = LinkSigner(["the new secret", "a secret of the tests"])
    assert rotated.token(LINK) == LinkSigner(["the new secret"]).token(LINK)
    assert rotated.token(LINK) != TOKEN
    assert rotated.verify(LINK, TOKEN)
    assert rotated.verify(LINK, rotated.token(LINK))


def test_a_key_taken_out_of_the_list_ends_its_tokens() -> None:
    assert not LinkSigner(["the new secret"]).verify(LINK, TOKEN)


def test_the_secret_itself_is_not_what_signs() -> None:
    assert "a secret of the tests" not in str(vars(SIGNER))


def test_no_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one secret key"):
        LinkSigner([])


@pytest.mark.parametrize("base", ["https://example.org/lavori", "https://example.org/lavori/"])
def test_the_address_of_a_link_is_below_the_base(base: str) -> None:
    assert link_url(base, LINK, "tok") == f"https://example.org/lavori/d/{LINK}/tok"
