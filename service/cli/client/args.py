"""`--arg name=value`: words of a command line as the JSON that a job type wants. Pure."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from service.cli.client.ending import Code, Ended


def pairs(words: Iterable[str], option: str) -> dict[str, str]:
    """`name=value` words as they are. Raises Ended."""
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise Ended(f"{option} takes name=value, not {word!r}.", Code.USAGE)
        found[name] = value
    return found


def args_of(words: Iterable[str], schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """The args that `name=value` (by the type's schema) and `name:=JSON` words say. Raises Ended."""
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name.endswith(":") and len(name) > 1:
            found[name[:-1]] = json_of(value, f"--arg {name[:-1]}")
        elif equals and name:
            found[name] = _converted(value, _types(schema, name))
        else:
            raise Ended(f"--arg takes name=value or name:=JSON, not {word!r}.", Code.USAGE)
    return found


def json_of(text: str, option: str) -> Any:
    """The JSON of a text. Raises Ended."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise Ended(f"{option} is no JSON: {error}.", Code.USAGE) from error


def object_of(text: str, option: str) -> dict[str, Any]:
    """The JSON object of a text. Raises Ended."""
    value = json_of(text, option)
    if not isinstance(value, dict):
        raise Ended(f"{option} must be a JSON object.", Code.USAGE)
    return value


def _types(schema: Mapping[str, Any] | None, name: str) -> set[str]:
    """What a parameter may be by its JSON Schema; nothing when that does not say."""
    described = (schema or {}).get("properties", {}).get(name, {})
    if not isinstance(described, dict):
        return set()
    kinds = described.get("type", [])
    types = {kinds} if isinstance(kinds, str) else set(kinds)
    for way in (*described.get("anyOf", ()), *described.get("oneOf", ())):
        kinds = way.get("type", [])
        types |= {kinds} if isinstance(kinds, str) else set(kinds)
    if "$ref" in described:
        types.add("object")
    return types


def _converted(text: str, types: set[str]) -> Any:
    """The text as JSON where its types say so; as it is when it is none, so that the server tells what is wrong."""
    if not types or "string" in types:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, float) and not math.isfinite(value):
        return text
    return value
