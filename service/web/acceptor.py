"""Schemas compiled to acceptors, because marshmallow costs more than all else that a submit does (130 µs a body).

An acceptor is stricter than its schema, never laxer: it takes the plain right body in a few microseconds and
gives exactly what `schema.load` would give; whatever it is not sure of it refuses, and marshmallow decides,
with its own words. tests/unit/test_acceptor.py holds both against each other.

Compiled are plain String, Integer, Boolean, Dict, List and Nested fields with Length, Range, OneOf and Regexp.
A field of any other class, or with hooks of its own, is loaded by marshmallow alone; a schema with hooks, or that
overrides what loads, is not compiled at all.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from math import inf
from typing import Any

from marshmallow import INCLUDE, RAISE, Schema, ValidationError, fields, missing, validate

from service.web.flag import Flag

Accept = Callable[[Any], Any]


class Refused(Exception):
    """The acceptor does not take this; marshmallow decides."""


@lru_cache(maxsize=1024)
def acceptor_of(schema: Schema) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The acceptor of a schema: a dict in, `schema.load`'s dict out, or Refused."""
    hooked = any(schema._hooks.values())  # noqa: SLF001 - nothing public tells
    dotted = any("." in (field.attribute or name) for name, field in schema.load_fields.items())
    special = schema.partial or schema.many or schema.dict_class is not dict or _overrides(type(schema))
    if schema.unknown not in (RAISE, INCLUDE) or hooked or dotted or special:
        return _refuse
    includes = schema.unknown == INCLUDE
    known = {
        name if field.data_key is None else field.data_key: (
            field.attribute or name,
            _accept_field(field),
            field,
        )
        for name, field in schema.load_fields.items()
    }
    names = {name for name, _, _ in known.values()}
    if len(names) < len(schema.load_fields):  # two of one name: marshmallow knows which of them wins
        return _refuse
    accepts = {key: (name, accept) for key, (name, accept, _) in known.items()}
    plain = {
        name: field.load_default
        for name, _, field in known.values()
        if not field.required and field.load_default is not missing and not callable(field.load_default)
    }
    absent = [
        (key, name, default)
        for key, (name, _, field) in known.items()
        if name not in plain and (default := _default(field))
    ]

    def accept(value: dict[str, Any]) -> dict[str, Any]:
        loaded = plain.copy()
        for key, inner in value.items():
            found = accepts.get(key)
            if found is not None:
                loaded[found[0]] = found[1](inner)
            elif includes and key not in names:
                loaded[key] = inner
            else:
                raise Refused
        for key, name, default in absent:
            if key not in value:
                loaded[name] = default()
        return loaded

    return accept


def _overrides(kind: type[Schema]) -> bool:
    return any(
        getattr(kind, name) is not getattr(Schema, name) for name in ("load", "_do_load", "_deserialize")
    )


def _default(field: fields.Field[Any]) -> Callable[[], Any] | None:
    """What makes the value of an absent field, or refuses where it is required; None where it stays absent."""
    if field.required:
        return lambda: _refuse({})
    made: Callable[[], Any] | None = None if field.load_default is missing else field.load_default
    return made


def _refuse(_: Mapping[str, Any]) -> dict[str, Any]:
    raise Refused


def _accept_field(field: fields.Field[Any]) -> Accept:
    plain = _PLAIN.get(type(field))
    checks = [_check(one) for one in field.validators]
    if plain is None or None in checks or field.pre_load or field.post_load or not _is_plain(field):
        return _by_marshmallow(field)
    return _with_checks(plain(field), checks, allow_none=field.allow_none)


def _is_plain(field: fields.Field[Any]) -> bool:
    """Whether the field's options leave it what its class says."""
    if isinstance(field, fields.Boolean):
        return True in field.truthy and False in field.falsy
    if isinstance(field, fields.Nested):
        return not field.many and field.unknown is None
    return True


def _with_checks(convert: Accept, checks: list[Any], *, allow_none: bool) -> Accept:
    """One call a field wherever one is enough: bodies have many fields."""
    if not checks:
        return (lambda value: None if value is None else convert(value)) if allow_none else convert

    def accept(value: Any) -> Any:
        if value is None and allow_none:
            return None
        loaded = convert(value)
        for check in checks:
            if not check(loaded):
                raise Refused
        return loaded

    return accept


def _by_marshmallow(field: fields.Field[Any]) -> Accept:
    def accept(value: Any) -> Any:
        try:
            return field.deserialize(value)
        except ValidationError:
            raise Refused from None

    return accept


def _of_type(*kinds: type) -> Callable[[Any], Accept]:
    def plain(_: object) -> Accept:
        def accept(value: Any) -> Any:
            if type(value) not in kinds:
                raise Refused
            return value

        return accept

    return plain


def _list(field: fields.List[Any]) -> Accept:
    inner = _accept_field(field.inner)

    def accept(value: Any) -> Any:
        if type(value) is not list:
            raise Refused
        return [inner(one) for one in value]

    return accept


def _dict(field: fields.Dict) -> Accept:
    keys = _accept_field(field.key_field) if field.key_field else None
    values = _accept_field(field.value_field) if field.value_field else None

    def accept(value: Any) -> Any:
        if type(value) is not dict:
            raise Refused
        if keys is None and values is None:
            return value
        return {(keys(k) if keys else k): (values(v) if values else v) for k, v in value.items()}

    return accept


def _nested(field: fields.Nested) -> Accept:
    def accept(value: Any) -> Any:
        if type(value) is not dict:
            raise Refused
        return acceptor_of(field.schema)(value)  # found when it is needed: a schema may nest itself

    return accept


_PLAIN: dict[type, Callable[[Any], Accept]] = {
    fields.String: _of_type(str),
    fields.Integer: _of_type(int),
    fields.Boolean: _of_type(bool),
    Flag: _of_type(bool),
    fields.List: _list,
    fields.Dict: _dict,
    fields.Nested: _nested,
}


def _check(validator: Callable[[Any], Any]) -> Callable[[Any], bool] | None:
    """The validator as a predicate; None where this module does not know it."""
    if type(validator) is validate.Length:
        low, high = _bounds(validator.min, validator.max)
        if validator.equal is not None:
            low = high = validator.equal
        return lambda value: low <= len(value) <= high
    if type(validator) is validate.Range and validator.min_inclusive and validator.max_inclusive:
        least, most = _bounds(validator.min, validator.max)
        return lambda value: bool(least <= value <= most)
    if type(validator) is validate.OneOf:
        choices = tuple(validator.choices)
        return lambda value: value in choices
    if type(validator) is validate.Regexp:
        match = validator.regex.match
        return lambda value: match(value) is not None
    return None


def _bounds(least: Any, most: Any) -> tuple[Any, Any]:
    """Both, where either may be left open."""
    return -inf if least is None else least, inf if most is None else most
