"""Bodies in and out: times, depth, NUL characters, pointers."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError, fields, validate

from service.errors import Invalid, Malformed
from service.jobs.schemas import Moment
from service.web.encoding import dumps, fragment, timestamp
from service.web.payload import MOST_FAULTS, load, parse_json


def test_times_have_milliseconds_and_z() -> None:
    assert timestamp(datetime(2026, 11, 22, 10, 41, 19, tzinfo=UTC)) == "2026-11-22T10:41:19.000Z"
    assert dumps([datetime(2026, 1, 2, 3, 4, 5, 678_999, tzinfo=UTC)]) == b'["2026-01-02T03:04:05.678Z"]'


def test_ids_and_ready_json_pass() -> None:
    assert dumps({"id": UUID(int=1)}) == b'{"id":"00000000-0000-0000-0000-000000000001"}'
    assert (
        dumps({"args": fragment('{"a": 1.0}'), "none": fragment(None)}) == b'{"args":{"a": 1.0},"none":null}'
    )


@given(st.datetimes(datetime(1970, 1, 3), datetime(9998, 1, 1), timezones=st.timezones()))  # noqa: DTZ001
def test_a_time_that_came_in_goes_out_in_utc_to_the_millisecond(when: datetime) -> None:
    moment = Moment(format="iso").deserialize(when.isoformat())
    assert moment.tzinfo is UTC
    assert 0 <= (when - moment).total_seconds() < 0.001
    assert datetime.fromisoformat(timestamp(moment)) == moment


@pytest.mark.parametrize(
    "text", ["2026-11-22T10:00:00", "2026-11-22", "10:00", "now", "0001-01-01T00:00:00+10:00", ""]
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ValidationError):
        Moment(format="iso").deserialize(text)


def nested(levels: int, opening: bytes = b"[", inner: bytes = b"1", closing: bytes = b"]") -> bytes:
    """JSON of so many levels."""
    return opening * levels + inner + closing * levels


def test_sixty_four_levels_are_the_most() -> None:
    for opening, inner, closing in ((b"[", b"1", b"]"), (b'{"a":', b"1", b"}"), (b"[", b"", b"]")):
        parse_json(nested(64, opening, inner, closing))
        for levels in (65, 66, 500, 100_000):
            with pytest.raises(Malformed):
                parse_json(nested(levels, opening, inner, closing))
    parse_json(b"[" + b",".join([b"[[]]"] * 1_000) + b"]")
    parse_json(b'["' + b"[{" * 1_000 + b'"]')
    with pytest.raises(Malformed):
        parse_json(b'["' + b"]" * 1_000 + b'",' + nested(64) + b"]")


def test_each_nul_is_pointed_at() -> None:
    body = {"a\0": 1, "b": ["x", "\0", {"c/d": "e\0"}], "fine": "\\u0000"}
    with pytest.raises(Invalid) as caught:
        parse_json(orjson.dumps(body))
    assert [fault.pointer for fault in caught.value.faults] == ["#/a%00", "#/b/1", "#/b/2/c~1d"]
    assert parse_json(b'{"fine": "\\\\u0000"}') == {"fine": "\\u0000"}


class Inner(Schema):
    """A part."""

    n = fields.Integer(required=True)


class Outer(Schema):
    """Every kind of field that has something inside."""

    one = fields.Nested(Inner)
    many = fields.Nested(Inner, many=True)
    items = fields.List(fields.Nested(Inner))
    by_name = fields.Dict(keys=fields.String(validate=validate.Length(max=2)), values=fields.Nested(Inner))
    named = fields.Integer(data_key="~/ %é")


def where(body: Any, at: str = "#") -> list[str]:
    """Pointers of the faults of a body."""
    with pytest.raises(Invalid) as caught:
        load(Outer(), body, at)
    return sorted(fault.pointer for fault in caught.value.faults)


def test_pointers_lead_to_the_fault() -> None:
    body = {
        "one": {"n": "x"}, "many": [{"n": 1}, {}], "items": [{"n": 1}, {"n": "x", "m": 1}, 5],
        "by_name": {"ok": {"n": 1}, "bad": {"n": "x"}, "b": {"n": []}}, "~/ %é": "x", "a b": 1, "": 2,
    }  # fmt: skip
    assert where(body) == sorted([
        "#/one/n", "#/many/1/n", "#/items/1/n", "#/items/1/m", "#/items/2", "#/by_name/bad", "#/by_name/bad/n",
        "#/by_name/b/n", "#/~0~1%20%25%C3%A9", "#/a%20b", "#/",
    ])  # fmt: skip
    assert where({"one": 5}, "#/args") == ["#/args/one"]
    assert where([], "#/args") == ["#/args"]


def test_a_flood_of_faults_is_cut() -> None:
    assert len(where({f"x{n}": n for n in range(5_000)})) == MOST_FAULTS
