"""OData's system options: what a list is asked for. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

from multidict import MultiMapping

from service.dialects.aims360.entities import TEXT, EntitySet, Property
from service.dialects.aims360.filters import Values, condition, filterable
from service.dialects.aims360.literals import SQL_TYPES
from service.errors import Malformed, NotImplementedHere

OPTIONS = ("$filter", "$orderby", "$select", "$count", "$top", "$skip", "$skiptoken")
PAGE = 100
MOST = 2**31 - 1
MOST_KEYS = 8
_LONGEST = 1_000  # characters of $orderby and $select


@dataclass(frozen=True, slots=True)
class Key:
    """One key of an order. `type` is SQL's; nulls come first, and in descending order last."""

    sql: str
    type: str
    descending: bool
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options say. `select` is None for all properties, `top` for all entities; `token` is of a next page."""

    texts: Mapping[str, str]
    where: str | None
    keys: tuple[Key, ...]
    select: tuple[Property, ...] | None
    count: bool
    top: int | None
    skip: int
    token: str | None

    @property
    def room(self) -> int:
        """How many entities this page may have."""
        return PAGE if self.top is None else min(PAGE, self.top)

    def next_page(self, token: str) -> str:
        """The query of the page after a full one."""
        given = {name: text for name, text in self.texts.items() if name not in ("$skip", "$skiptoken")}
        if self.top is not None:
            given["$top"] = str(self.top - self.room)
        given["$skiptoken"] = token
        return "&".join(f"{name}={quote(text, safe='')}" for name, text in given.items())


def read_options(query: MultiMapping[str], entities: EntitySet, values: Values) -> Asked:
    """The options, in any case. Raises Malformed, and NotImplementedHere for a system option that is not offered."""
    texts: dict[str, str] = {}
    for given, text in query.items():
        name = given.lower()
        if not name.startswith("$"):
            continue  # none of OData's
        if name not in OPTIONS:
            raise NotImplementedHere(
                f"the option {given[:50]} is not offered; offered are {', '.join(OPTIONS[:-1])}"
            )
        if name in texts:
            raise Malformed(f"{name}: is given more than once")
        texts[name] = text
    return Asked(
        texts=texts,
        where=condition(texts["$filter"], entities.by_name, values) if "$filter" in texts else None,
        keys=_keys(texts.get("$orderby"), entities),
        select=_select(texts.get("$select", "*"), entities),
        count=_flag(texts.get("$count", "false")),
        top=_number("$top", texts["$top"]) if "$top" in texts else None,
        skip=_number("$skip", texts.get("$skip", "0")) if "$skiptoken" not in texts else 0,
        token=texts.get("$skiptoken"),
    )


def _keys(text: str | None, entities: EntitySet) -> tuple[Key, ...]:
    asked: dict[str, Key] = {}
    parts = [f"{entities.newest} desc"] if text is None else _parts("$orderby", text)
    for part in parts:
        words = part.split()
        if not words or len(words) > 2 or words[1:] not in ([], ["asc"], ["desc"]):  # noqa: PLR2004 - name, direction
            raise Malformed("$orderby: takes names of properties, each with asc or desc behind it or nothing")
        found = filterable(entities.by_name, words[0], "$orderby")
        asked.setdefault(found.name, _key(found, descending=words[1:] == ["desc"]))
    if len(asked) > MOST_KEYS:
        raise Malformed(f"$orderby: at most {MOST_KEYS} properties")
    keys = tuple(asked.values())
    # No two entities are alike in their id, so each has one place in any order; in the direction of an index.
    return (*keys, Key(entities.id, "uuid", keys[-1].descending))


def _key(found: Property, *, descending: bool) -> Key:
    if found.key:
        return Key(found.key[0], "uuid", descending)
    collated = f'({found.sql}) COLLATE "C"' if found.type == TEXT else f"({found.sql})"
    return Key(collated, SQL_TYPES[found.type], descending, found.nullable)


def _select(text: str, entities: EntitySet) -> tuple[Property, ...] | None:
    names = [part.strip() for part in _parts("$select", text)]
    if "*" in names:
        return None
    for name in names:
        if name.lower() not in entities.by_name:
            raise Malformed(f"$select: there is no property {name[:100]!r}")
    wanted = {name.lower() for name in names}
    return tuple(one for one in entities.properties if one.name.lower() in wanted)


def _parts(option: str, text: str) -> list[str]:
    if len(text) > _LONGEST:
        raise Malformed(f"{option}: longer than {_LONGEST} characters")
    return text.split(",")


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise Malformed("$count: must be true or false")
    return text == "true"


def _number(option: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST)) and int(text) <= MOST):
        raise Malformed(f"{option}: must be a whole number from 0 to {MOST}")
    return int(text)


def order(keys: tuple[Key, ...]) -> str:
    """ORDER BY; where nulls stand is said only of what can be null, since an index knows it otherwise."""
    return ", ".join(
        one.sql
        + (" DESC" if one.descending else "")
        + ((" NULLS LAST" if one.descending else " NULLS FIRST") if one.nullable else "")
        for one in keys
    )


def after(keys: tuple[Key, ...], position: list[Any], values: Values) -> str:
    """The condition that an entity comes after the one whose keys are at `position`."""
    bound = [
        None if value is None else values.bind(_READ[key.type](value), key.type)
        for key, value in zip(keys, position, strict=True)
    ]
    choices = []
    for last in range(len(keys)):
        same = [
            f"{key.sql} IS NULL" if value is None else f"{key.sql} = {value}"
            for key, value in zip(keys[:last], bound[:last], strict=True)
        ]
        choices.append(" AND ".join((*same, _beyond(keys[last], bound[last]))))
    beyond = f"({' OR '.join(f'({choice})' for choice in choices)})"
    first, value = keys[0], bound[0]
    if first.nullable or value is None:
        return beyond
    # Says nothing more, but an index can begin there.
    return f"{first.sql} {'<=' if first.descending else '>='} {value} AND {beyond}"


def _beyond(key: Key, value: str | None) -> str:
    if value is None:  # nulls come first, or last
        return "FALSE" if key.descending else f"{key.sql} IS NOT NULL"
    if key.descending:
        return f"({key.sql} < {value}" + (f" OR {key.sql} IS NULL)" if key.nullable else ")")
    return f"{key.sql} > {value}"


_READ: Mapping[str, Any] = {
    "text": str,
    "uuid": UUID,
    "numeric": Decimal,
    "float8": float,
    "timestamptz": datetime.fromisoformat,
}
