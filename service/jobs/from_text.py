"""A text as the JSON value that a param of a job type wants, by the param's JSON Schema. Pure."""

import math
from collections.abc import Mapping
from typing import Any

import orjson

_KINDS: Mapping[type, frozenset[str]] = {
    bool: frozenset({"boolean"}),
    int: frozenset({"integer", "number"}),
    float: frozenset({"number"}),
    dict: frozenset({"object"}),
    list: frozenset({"array"}),
    type(None): frozenset({"null"}),
}


def from_text(text: str, params: Any, name: str) -> Any:
    """What `text` means as the param of this name. `params` is the JSON Schema of all of them, if there is one.

    A text that is none of what the schema lets the param be stays a text, so that whoever takes it tells what is wrong.
    """
    wanted = _wanted(params, name)
    if not wanted or "string" in wanted:
        return text
    word = text.strip().lower()
    try:
        value = orjson.loads(word if word in ("true", "false", "null") else text)
    except orjson.JSONDecodeError:
        return text
    if isinstance(value, float) and not math.isfinite(value):
        return text
    return value if _KINDS.get(type(value), frozenset()) & wanted else text


def _wanted(params: Any, name: str) -> set[str]:
    """The kinds of JSON that a param may be; none where the schema does not say."""
    told = params.get("properties", {}).get(name) if isinstance(params, dict) else None
    if not isinstance(told, dict):
        return set()
    kinds: set[str] = set()
    for way in (told, *told.get("anyOf", ()), *told.get("oneOf", ())):
        said = way.get("type", [])
        kinds |= {said} if isinstance(said, str) else set(said)
        if "$ref" in way:
            kinds.add("object")
    return kinds
