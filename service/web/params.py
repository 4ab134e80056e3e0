"""A marshmallow schema as one JSON Schema (2020-12) that stands alone: what a form, or any validator, needs."""

import warnings
from collections.abc import Mapping
from typing import Any

from apispec import APISpec
from marshmallow import Schema, fields

from service.web.shapes import AnyField, Shapes

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_COMPONENTS = "#/components/schemas/"
_WHOLE = "Whole"  # a nested schema of this name gets a number
_FORMATS = {"url": "uri"}  # apispec's word: JSON Schema's
_VALUES = frozenset({"default", "enum", "const", "examples"})  # their members are nobody's keywords


def json_schema(schema: Schema, *, title: str, description: str, base: str = "#") -> dict[str, Any]:
    """The schema, with its nested ones in `$defs`. Each member has a title: that of its metadata, or its name.

    References begin with `base`, which leads to the schema itself from the document that it stands in.
    """
    spec = APISpec("", "", "3.1.0", [_Titled({})])
    with warnings.catch_warnings(action="ignore"):  # that two schemas of one name get numbers
        spec.components.schema(_WHOLE, schema=schema)
    defs: dict[str, Any] = _standing_alone(spec.to_dict()["components"]["schemas"], base)
    made = {"$schema": DIALECT, "title": title, "description": description, **defs.pop(_WHOLE)}
    return made | {"$defs": defs} if defs else made


class _Titled(Shapes):
    def init_spec(self, spec: APISpec) -> None:
        super().init_spec(spec)
        converter: Any = self.converter
        converter.add_attribute_function(_title)
        converter.add_attribute_function(_secret)


def _title(_: Any, field: AnyField, ret: Mapping[str, Any]) -> dict[str, str]:
    if "title" in ret or not isinstance(field.parent, Schema):
        return {}
    words = str(field.data_key or field.name).replace("_", " ").strip()
    return {"title": words[:1].upper() + words[1:]}


def _secret(_: Any, field: AnyField, ret: dict[str, Any]) -> dict[str, Any]:
    """Of a field that is secret: that it is never shown, and no default that would tell what it is."""
    if field.metadata.get("secret") is not True:
        return {}
    ret.pop("default", None)
    shown = {"format": "password"} if isinstance(field, fields.String) and "format" not in ret else {}
    return {"writeOnly": True, **shown}


def _standing_alone(value: Any, base: str) -> Any:
    """The same in JSON Schema's own words, with references that lead to `$defs`."""
    if isinstance(value, list):
        return [_standing_alone(one, base) for one in value]
    if not isinstance(value, dict):
        return value
    made: dict[str, Any] = {}
    for name, inner in value.items():
        match name:
            case "$ref":
                nested = inner.removeprefix(_COMPONENTS)
                made[name] = base if nested == _WHOLE else f"{base}/$defs/{nested}"
            case "properties":
                made[name] = {member: _standing_alone(told, base) for member, told in inner.items()}
            case "example":
                made["examples"] = [inner]
            case "format":
                made[name] = _FORMATS.get(inner, inner)
            case _:
                made[name] = inner if name in _VALUES else _standing_alone(inner, base)
    return made
