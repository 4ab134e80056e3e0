"""Texts as the JSON that a job type's params want."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.jobs.from_text import from_text

KINDS = ("string", "boolean", "integer", "number", "object", "array", "null")
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
)


def kind_of(value: Any) -> str:
    """The JSON Schema type of a value."""
    names = {bool: "boolean", int: "integer", float: "number", dict: "object", list: "array", str: "string"}
    return names.get(type(value), "null")


def params(**told: Any) -> dict[str, Any]:
    """A JSON Schema of these params."""
    return {"type": "object", "properties": told}


@given(value=VALUES.filter(lambda value: not isinstance(value, str)))
def test_the_json_of_a_value_is_that_value_where_its_kind_is_wanted(value: Any) -> None:
    text = orjson.dumps(value).decode()
    for told in (
        {"type": kind_of(value)},
        {"type": [kind_of(value), "null"]},
        {"anyOf": [{"type": kind_of(value)}]},
    ):
        assert from_text(text, params(p=told), "p") == orjson.loads(text)


@given(text=st.text() | VALUES.map(json.dumps), kinds=st.sets(st.sampled_from(KINDS)))
def test_any_text_becomes_what_is_wanted_or_stays_as_it_is(text: str, kinds: set[str]) -> None:
    read = from_text(text, params(p={"type": sorted(kinds)}), "p")
    if read is not text:
        assert "string" not in kinds
        assert kind_of(read) in kinds or (kind_of(read) == "integer" and "number" in kinds)
        orjson.dumps(read)


@given(
    text=st.text(), told=st.sampled_from([None, {}, [], "x", {"properties": {}}, {"properties": {"p": True}}])
)
def test_without_a_schema_a_text_is_a_text(text: str, told: Any) -> None:
    assert from_text(text, told, "p") is text


@pytest.mark.parametrize(
    ("text", "told", "value"),
    [
        ("00123", {"type": "string"}, "00123"),
        ("00123", {"type": "integer"}, "00123"),
        ("123", {"type": ["integer", "string"]}, "123"),
        (" 7 ", {"type": "integer"}, 7),
        ("7.5", {"type": "integer"}, "7.5"),
        ("TRUE", {"type": "boolean"}, True),
        ("False", {"type": ["boolean", "null"]}, False),
        ("Null", {"type": ["integer", "null"]}, None),
        ('["A", "B"]', {"type": ["boolean", "array"]}, ["A", "B"]),
        ('{"A": 1}', {"$ref": "#/$defs/x"}, {"A": 1}),
        ('{"A": 1}', {"oneOf": [{"$ref": "#/$defs/x"}, {"type": "null"}]}, {"A": 1}),
        ("NaN", {"type": "number"}, "NaN"),
        ("1e999", {"type": "number"}, "1e999"),
        ("[" * 100_000, {"type": "array"}, "[" * 100_000),
        ("\udcff", {"type": "integer"}, "\udcff"),
    ],
)
def test_words_of_people(text: str, told: dict[str, Any], value: Any) -> None:
    read = from_text(text, params(p=told), "p")
    assert (type(read), read) == (type(value), value)
