"""Acceptors against marshmallow: never laxer, and equal in what they give."""

import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import EXCLUDE, INCLUDE, RAISE, Schema, ValidationError, fields, post_load, validate

import odd_jobs
import picky_jobs
from service.jobs.schemas import AttachmentIn, JobIn, JobPatch, NotifyIn, RerunIn
from service.web.acceptor import Refused, acceptor_of
from workers.jobtypes.echo import echo
from workers.jobtypes.import_dovuti import import_dovuti
from workers.jobtypes.sleep import sleep

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**65), 2**65), st.floats(allow_nan=False), st.text(max_size=8),
    st.sampled_from(["high", "default", "private", "public", "5", "true", "2026-11-22T10:00:00Z", "update", "a@b.it"]),
    st.uuids().map(str),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


class Itself(Schema):
    """A schema that nests itself."""

    name = fields.String(required=True)
    inner = fields.Nested(lambda: Itself(unknown=RAISE), load_default=None, allow_none=True)


class Strange(Schema):
    """Every option that could tell them apart."""

    class Meta:
        """Others are welcome."""

        unknown = INCLUDE

    renamed = fields.String(data_key="other", attribute="third")
    word = fields.String(allow_none=True, validate=[validate.Length(1, 3), validate.Regexp("[a-z]")])
    exact = fields.String(validate=validate.Length(equal=2))
    open_range = fields.Integer(validate=validate.Range(0, 5, min_inclusive=False))
    yes = fields.Boolean(truthy={"yes"}, falsy={"no"})
    texts = fields.Integer(as_string=True)
    strict = fields.Integer(strict=True, load_default=lambda: 7)
    flags = fields.List(fields.Boolean(), validate=validate.Length(max=2), load_default=list)
    by_name = fields.Dict(keys=fields.String(), values=fields.Integer(allow_none=True))
    choice = fields.Raw(validate=validate.OneOf([1, "a"]))
    dict_choice = fields.Dict(validate=validate.OneOf([{}, {"a": 1}]))
    lax = fields.Nested(Itself, unknown=EXCLUDE)
    many = fields.List(fields.Nested(Itself))
    also_many = fields.Nested(Itself, many=True)
    lowered = fields.String(pre_load=[lambda value: value.lower() if isinstance(value, str) else value])
    never = fields.String(dump_only=True)
    both = fields.String(validate=validate.And(validate.Length(max=3)))


SCHEMAS = [
    JobIn(), JobPatch(), AttachmentIn(), NotifyIn(), RerunIn(), Itself(), Strange(), echo.params, sleep.params,
    import_dovuti.params, picky_jobs.picky.params, odd_jobs.steps.params,
]  # fmt: skip


SIMPLE: dict[type, st.SearchStrategy[Any]] = {
    fields.Dict: st.dictionaries(st.text(max_size=5), st.text(max_size=3) | VALUES, max_size=3),
    fields.UUID: st.uuids().map(str),
    fields.Boolean: st.booleans(),
    fields.Integer: st.integers(-1, 100),
}


def body_for(draw: st.DrawFn, schema: Schema, depth: int = 2) -> dict[str, Any]:
    """A body with some of the known names, most with values of their kind, and now and then a strange name."""

    def likely(field: fields.Field[Any]) -> Any:
        if isinstance(field, fields.Nested) and depth:
            return body_for(draw, field.schema, depth - 1)
        if isinstance(field, fields.List):
            return [likely(field.inner) for _ in range(draw(st.integers(0, 3)))]
        return draw(SIMPLE.get(type(field), st.text(max_size=4)))

    body: dict[str, Any] = {}
    for name, field in schema.fields.items():
        if draw(st.booleans()):
            body[field.data_key or name] = draw(VALUES) if draw(st.integers(0, 4)) == 0 else likely(field)
    if draw(st.integers(0, 9)) == 0:
        body[draw(st.text(max_size=5))] = draw(VALUES)
    return body


def compare(schema: Schema, body: dict[str, Any]) -> bool:
    """Whether the acceptor took the body; it must give what marshmallow gives, types included."""
    try:
        accepted = acceptor_of(schema)(body)
    except Refused:
        return False
    loaded = schema.load(body)
    assert accepted == loaded
    assert typed(accepted) == typed(loaded)
    return True


def typed(value: Any) -> Any:
    """A value with the types of its parts: 1, 1.0 and True are equal, but not the same."""
    if isinstance(value, dict):
        return {key: typed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [typed(inner) for inner in value]
    return type(value), value


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: type(schema).__name__)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_what_an_acceptor_takes_marshmallow_takes_with_the_same_result(
    schema: Schema, data: st.DataObject
) -> None:
    compare(schema, data.draw(st.composite(body_for)(schema)))


SERVICE = str(uuid.UUID(int=5))
PLAIN: list[tuple[Schema, dict[str, Any]]] = [
    (JobIn(), {"type": "echo"}),
    (
        JobIn(),
        {
            "type": "echo", "args": {"a": [1]}, "attachment": {"file": "YQ==", "name": "a.csv"}, "description": "d",
            "category": None, "priority": "high", "worker_tag": "gpu", "labels": {"a": "b"}, "expires_in": 5,
            "timeout_seconds": 5, "max_attempts": 3, "publish_link_access_scope": "public", "can_rerun": True,
            "client_request_id": "x", "correlation_id": "y", "idempotency_key": "k", "run_at": "2026-11-22T10:00:00Z",
        },
    ),
    (JobIn(), {"type": "echo", "attachment": {"id": SERVICE}, "notify": {"emails": ["a@example.org"]}}),
    (JobPatch(), {"args": {}, "labels": {"a": None}, "priority": None, "description": "x", "attachment": None}),
    (AttachmentIn(), {"file": ""}),
    (echo.params, {"anything": {"goes": [1, None]}}),
    (sleep.params, {"seconds": 2, "steps": 10, "fail": False, "output_bytes": 0}),
    (import_dovuti.params, {"service_id": SERVICE, "validate_only": True, "on_duplicate": "skip"}),
    (picky_jobs.picky.params, {"service_id": SERVICE, "count": 3, "columns": [{"name": "a"}], "names": {"a": "b"}}),
    (Itself(), {"name": "a", "inner": {"name": "b", "inner": {"name": "c", "inner": None}}}),
]  # fmt: skip


def test_plain_right_bodies_take_the_fast_way() -> None:
    for schema, body in PLAIN:
        assert compare(schema, body), body


def test_plain_wrong_bodies_are_refused() -> None:
    for schema, body in (
        (JobIn(), {"type": 5}), (JobIn(), {"type": "echo", "colour": 1}),
        (JobIn(), {"type": "echo", "max_attempts": 0}),
        (JobIn(), {"type": "echo", "max_attempts": True}), (JobIn(), {"type": "echo", "labels": {"": "x"}}),
        (picky_jobs.picky.params, {}), (Strange(), {"yes": True}), (Strange(), {"open_range": 0}),
    ):  # fmt: skip
        assert not compare(schema, body), body
        with pytest.raises(ValidationError):
            schema.load(body)


def test_a_schema_with_hooks_or_of_many_is_marshmallows_alone() -> None:
    class Hooked(Schema):
        name = fields.String()

        @post_load
        def shout(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
            return {"name": data["name"].upper()}

    class Own(Itself):
        def load(self, *_: Any, **__: Any) -> Any:
            return {"name": "own"}

    for schema in (Hooked(), Own(), Itself(many=True), Itself(partial=True), Itself(unknown=EXCLUDE)):
        with pytest.raises(Refused):
            acceptor_of(schema)({"name": "a"})


@pytest.mark.parametrize("value", [0, 1, 0.0, "true", "", [], {}])
def test_a_flag_is_true_or_false_and_nothing_that_python_takes_for_it(value: Any) -> None:
    with pytest.raises(ValidationError):
        RerunIn().load({"as_new": value})
    with pytest.raises(Refused):
        acceptor_of(RerunIn())({"as_new": value})
    assert RerunIn().load({"as_new": True}) == acceptor_of(RerunIn())({"as_new": True}) == {"as_new": True}
