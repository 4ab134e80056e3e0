"""Secret args: hidden at every depth, kept by their place, sealed for one job."""

from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, fields

import picky_jobs
from secret_jobs import Login, Params
from service.errors import Invalid
from service.jobs.secret_args import filled_in, has_secrets, keep_args, place_of, secret_texts
from service.sealing import Sealer, Unsealable
from service.web.params import json_schema

JOB, OTHER = UUID(int=1), UUID(int=2)
PLACE = place_of(1, JOB)
SEALER = Sealer(["a-secret-key-for-the-tests-of-32-bytes"])
PARAMS = Params()
ARGS: dict[str, Any] = {
    "note": "seen",
    "password": "one",
    "pin": 1234,
    "login": {"host": "a", "password": "two of 8"},
    "logins": [{"host": "b", "password": "three of 8"}, {"host": "c", "password": None}, {"host": "d"}],
    "tokens": {"x": "four", "y/z": "five"},
    "headers": {"Accept": "text/plain", "Authorization": "six"},
    "vault": {"deep": ["seven", {"deeper": "eight"}]},
    "words": ["nine"],
}
SHOWN: dict[str, Any] = {
    "note": "seen",
    "password": "***",
    "pin": "***",
    "login": {"host": "a", "password": "***"},
    "logins": [{"host": "b", "password": "***"}, {"host": "c", "password": None}, {"host": "d"}],
    "tokens": {"x": "***", "y/z": "***"},
    "headers": {"Accept": "text/plain", "Authorization": "***"},
    "vault": "***",
    "words": ["***"],
}


class Tree(Schema):
    """One that holds itself, without secrets."""

    children = fields.List(fields.Nested(lambda: Tree()))  # noqa: PLW0108 - there is no Tree yet


class SecretTree(Tree):
    """And with one at its end."""

    children = fields.List(fields.Nested(lambda: SecretTree()))  # noqa: PLW0108
    login = fields.Pluck(Login, "password")
    many = fields.Nested(Login, many=True)


def where(faulty: Invalid) -> list[str]:
    return [fault.pointer for fault in faulty.faults]


def test_a_type_has_secrets_when_any_depth_has_one() -> None:
    assert has_secrets(PARAMS)
    assert has_secrets(Login())
    assert has_secrets(SecretTree())
    assert not has_secrets(Tree())
    assert not has_secrets(picky_jobs.Params())


def test_every_secret_is_hidden_and_the_rest_is_seen() -> None:
    kept = keep_args(SEALER, PARAMS, ARGS, PLACE)
    assert orjson.loads(kept.shown) == SHOWN
    assert kept.sealed is not None
    assert orjson.loads(SEALER.open(kept.sealed, PLACE)) == ARGS
    assert not any(word in kept.sealed for word in ("one", "three", "1234"))


def test_one_job_alone_can_have_them_opened() -> None:
    kept = keep_args(SEALER, PARAMS, ARGS, PLACE)
    for place in (place_of(1, OTHER), place_of(2, JOB)):
        with pytest.raises(Unsealable):
            SEALER.open(kept.sealed or "", place)
    with pytest.raises(Unsealable):
        Sealer(["another-secret-key-for-the-tests-of-32"]).open(kept.sealed or "", PLACE)


def test_args_without_secrets_are_not_sealed() -> None:
    assert keep_args(SEALER, PARAMS, {"note": "x"}, PLACE) == ('{"note":"x"}', None)
    assert keep_args(SEALER, PARAMS, {"login": {"password": None}}, PLACE).sealed is None


def test_what_holds_itself_is_hidden_to_its_depths() -> None:
    args = {"children": [{"login": "one", "children": [{"many": [{"password": "two"}]}]}]}
    shown = {"children": [{"login": "***", "children": [{"many": [{"password": "***"}]}]}]}
    assert orjson.loads(keep_args(SEALER, SecretTree(), args, PLACE).shown) == shown


def test_what_comes_back_hidden_stands_for_what_is_kept() -> None:
    assert filled_in(PARAMS, SHOWN, ARGS) == ARGS
    changed = {**SHOWN, "login": {"host": "new", "password": "***"}, "tokens": {"x": "new", "y/z": "***"}}
    assert filled_in(PARAMS, changed, ARGS) == {
        **ARGS,
        "login": {"host": "new", "password": "two of 8"},
        "tokens": {"x": "new", "y/z": "five"},
    }


WORD = st.text(max_size=8).filter(lambda word: word != "***")
LOGIN = st.fixed_dictionaries(
    {}, optional={"host": WORD, "password": st.none() | st.text("x", min_size=8, max_size=9)}
)
ANY_ARGS = st.fixed_dictionaries(
    {},
    optional={
        "note": st.text(max_size=5), "password": WORD, "pin": st.integers(0, 9_999), "login": LOGIN,
        "logins": st.lists(LOGIN, max_size=3), "tokens": st.dictionaries(WORD, WORD, max_size=3),
        "headers": st.dictionaries(st.sampled_from(["Accept", "Cookie", "a/b~c"]), WORD),
        "vault": st.dictionaries(WORD, WORD, min_size=1, max_size=2), "words": st.lists(WORD, max_size=3),
    },
)  # fmt: skip


@given(ANY_ARGS)
def test_whatever_was_shown_can_be_sent_back(args: dict[str, Any]) -> None:
    kept = keep_args(SEALER, PARAMS, args, PLACE)
    assert filled_in(PARAMS, orjson.loads(kept.shown), args) == args
    assert orjson.loads(SEALER.open(kept.sealed, PLACE) if kept.sealed else kept.shown) == args


def test_an_item_of_a_list_keeps_its_secret_only_as_it_was_and_where_it_was() -> None:
    b, c, d = SHOWN["logins"]
    assert filled_in(PARAMS, {"logins": [b, d, c]}, ARGS)["logins"][0] == ARGS["logins"][0]
    for logins in ([c, b], [{"host": "evil", "password": "***"}, c]):
        with pytest.raises(Invalid) as caught:
            filled_in(PARAMS, {"logins": logins}, ARGS)
        assert where(caught.value) == [
            f"#/args/logins/{logins.index(next(o for o in logins if o != c))}/password"
        ]


def test_where_nothing_is_kept_a_hidden_value_is_a_fault_each() -> None:
    with pytest.raises(Invalid) as caught:
        filled_in(PARAMS, SHOWN)
    assert set(where(caught.value)) == {
        "#/args/password", "#/args/pin", "#/args/login/password", "#/args/logins/0/password", "#/args/tokens/x",
        "#/args/tokens/y~1z", "#/args/headers/Authorization", "#/args/vault", "#/args/words/0",
    }  # fmt: skip
    with pytest.raises(Invalid):
        filled_in(PARAMS, {"logins": [None, {"password": "***"}]}, ARGS)
    assert filled_in(PARAMS, {"note": "***"}) == {"note": "***"}


@pytest.mark.parametrize(
    "odd",
    [{"login": 5}, {"logins": "x"}, {"logins": [5]}, {"tokens": []}, {"headers": None}, {"nothing": "***"}],
)
def test_args_of_a_wrong_shape_are_told_by_the_schema(odd: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        filled_in(PARAMS, {**odd, "password": "***"})
    pointers = where(caught.value)
    assert len(pointers) == 2
    assert "#/args/password" in pointers
    assert filled_in(PARAMS, {"words": []}, {**ARGS, "words": 5}) == {"words": []}


def test_the_texts_of_all_secrets_are_found() -> None:
    words = ["one", "two of 8", "three of 8", "four", "five", "six", "seven", "eight", "nine"]
    assert secret_texts(PARAMS, orjson.dumps(ARGS).decode()) == words


def test_the_json_schema_says_what_is_secret_and_tells_no_default() -> None:
    schema = json_schema(PARAMS, title="x", description="x")
    told = schema["properties"]
    assert told["password"] == {
        "type": "string",
        "format": "password",
        "writeOnly": True,
        "title": "Password",
    }
    assert (told["pin"]["writeOnly"], told["vault"]["writeOnly"]) == (True, True)
    assert told["tokens"]["additionalProperties"] == {
        "type": "string",
        "format": "password",
        "writeOnly": True,
    }
    assert schema["$defs"]["Login"]["properties"]["password"]["writeOnly"]
    assert "writeOnly" not in told["note"]
