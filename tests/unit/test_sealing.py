"""Secrets at rest: what is sealed opens in its place, under any of the keys, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.sealing import Sealer, Unsealable

OLD, NEW = "an-older-secret-key-for-the-tests", "a-newer-secret-key-for-the-tests"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.text(max_size=20, alphabet="abc/1"))
def test_what_was_sealed_opens_in_its_place(secret: str, place: str) -> None:
    assert Sealer([NEW]).open(Sealer([NEW]).seal(secret, place), place) == secret


def test_no_two_sealed_texts_are_alike_and_none_shows_its_secret() -> None:
    sealer = Sealer([NEW])
    sealed = {sealer.seal("canary", "a") for _ in range(100)}
    assert len(sealed) == 100
    assert not any("canary" in one for one in sealed)


def test_an_older_key_opens_what_it_sealed_until_it_is_taken_out() -> None:
    sealed = Sealer([OLD]).seal("canary", "a")
    assert Sealer([NEW, OLD]).open(sealed, "a") == "canary"
    with pytest.raises(Unsealable):
        Sealer([NEW]).open(sealed, "a")


def test_the_newest_key_seals() -> None:
    assert Sealer([NEW]).open(Sealer([NEW, OLD]).seal("canary", "a"), "a") == "canary"


def test_a_sealed_text_opens_in_no_other_place() -> None:
    sealer = Sealer([NEW])
    with pytest.raises(Unsealable):
        sealer.open(sealer.seal("canary", "tenant/1"), "tenant/2")


@pytest.mark.parametrize("broken", ["", ".", "x.y", "canary", "\N{SNOWMAN}.\N{SNOWMAN}"])
def test_what_is_no_sealed_text_is_refused(broken: str) -> None:
    with pytest.raises(Unsealable):
        Sealer([NEW]).open(broken, "a")


def test_each_changed_character_is_noticed() -> None:
    sealer = Sealer([NEW])
    sealed = sealer.seal("canary", "a")
    for place, character in enumerate(sealed[:-1]):
        changed = sealed[:place] + ("A" if character != "A" else "B") + sealed[place + 1 :]
        with pytest.raises(Unsealable):
            sealer.open(changed, "a")


def test_it_needs_a_key() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Sealer([])
