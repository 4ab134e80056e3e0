"""`--arg name=value`: words of a command line as the JSON that a job type wants. Pure."""

import json
from collections.abc import Iterable
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


def args_of(words: Iterable[str], schema: Any) -> dict[str, Any]:
    """The args that `name=value` (by the type's schema) and `name:=JSON` words say. Raises Ended."""
    from service.jobs.from_text import from_text  # noqa: PLC0415, commands load what they need

    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name.endswith(":") and len(name) > 1:
            found[name[:-1]] = json_of(value, f"--arg {name[:-1]}")
        elif equals and name:
            found[name] = from_text(value, schema, name)
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
