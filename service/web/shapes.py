"""Marshmallow's schemas as JSON Schema 2020-12: what apispec leaves out of a field, or says in Python's own way."""

from collections.abc import Mapping
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema, fields, validate

AnyField = fields.Field[Any]


class Shapes(MarshmallowPlugin):
    """apispec's plugin, refined; `words` are descriptions by `name`, or by `Schema.name`, which goes first.

    A field's metadata may hold a `json_schema`, which goes over all that is made of the field.
    """

    def __init__(self, words: Mapping[str, str]) -> None:
        super().__init__(schema_name_resolver=shown_name)
        self._words = words

    def init_spec(self, spec: APISpec) -> None:
        """Teach the converter of this spec."""
        super().init_spec(spec)

        def refined(_: Any, field: AnyField, ret: dict[str, Any]) -> dict[str, Any]:
            _tidy(field, ret)
            if isinstance(field, fields.Dict):
                _count_members(ret)
                if field.key_field is not None:
                    ret["propertyNames"] = converter.field2property(field.key_field)
            if word := self._word(field, ret):
                ret["description"] = word
            return dict(field.metadata.get("json_schema", {}))

        converter: Any = self.converter
        converter.add_attribute_function(refined)
        converter.add_parameter_attribute_function(_never_null)

    def _word(self, field: AnyField, ret: Mapping[str, Any]) -> str | None:
        if "description" in ret or field.name is None or not isinstance(field.parent, Schema):
            return None
        return self._words.get(f"{shown_name(field.parent)}.{field.name}") or self._words.get(field.name)


def shown_name(schema: Any) -> str:
    """The name of a schema's component: JobOut is shown as Job."""
    kind = schema if isinstance(schema, type) else type(schema)
    return str(kind.__name__.removesuffix("Out"))


def ecma(pattern: str) -> str:
    """A pattern of marshmallow's Regexp, which matches from the start of a text, as JSON Schema writes it."""
    whole = pattern.replace(r"\Z", "$")
    return whole if whole.startswith("^") else f"^{whole}"


def _tidy(field: AnyField, ret: dict[str, Any]) -> None:
    for name in ("x-minimum", "x-maximum"):  # of times; JSON Schema has no word for them
        ret.pop(name, None)
    default = ret.get("default", "")
    if default == "" or (default is None and not field.allow_none):
        ret.pop("default", None)  # what stands for an absent one may be no right value
    if "pattern" in ret:
        ret["pattern"] = ecma(ret["pattern"])
    if never := [
        word for one in field.validators if isinstance(one, validate.NoneOf) for word in one.iterable
    ]:
        ret["not"] = {"enum": never}


def _count_members(ret: dict[str, Any]) -> None:
    for mine, theirs in (("minProperties", "minLength"), ("maxProperties", "maxLength")):
        if theirs in ret:
            ret[mine] = ret.pop(theirs)


def _never_null(_: Any, __: AnyField, ret: dict[str, Any]) -> dict[str, Any]:
    """No parameter can be null: marshmallow's None stands for its absence."""
    schema = ret["schema"]
    if isinstance(schema.get("type"), list):
        (schema["type"],) = (one for one in schema["type"] if one != "null")
    if "enum" in schema:
        schema["enum"] = [word for word in schema["enum"] if word is not None]
    if schema.get("default", "") is None:
        del schema["default"]
    return {}
