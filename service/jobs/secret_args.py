"""Args that a job type marks secret: `fields.String(metadata={"secret": True})`, at any depth.

What is kept of them, and shown to everybody, is `***`; the args as they came are sealed beside it, for the worker
alone. The values of a Dict may be secret by their names: `metadata={"secret": is_secret}` is then asked for each.

A type without such a field costs one look-up a job.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from marshmallow import Schema, fields

from service.errors import Fault, Invalid
from service.sealing import Sealer
from service.web.encoding import dumps
from service.web.payload import escape, load

HIDDEN = "***"
MISSING = fields.Field.default_error_messages["required"]
AnyField = fields.Field[Any]
Visit = Callable[[Any, Any, str], Any]
"""What is made of a secret value: the value, what stood there before (or _NOTHING), and where it stands."""
_NOTHING = object()


class Kept(NamedTuple):
    """Args as they are kept: as JSON to be shown, and, where that hides something, all of them sealed."""

    shown: str
    sealed: str | None


@lru_cache(maxsize=1024)
def has_secrets(schema: Schema) -> bool:
    """Whether any member of the schema, however deep, is marked secret."""
    return _holds(schema, set())


def place_of(tenant_id: int, job_id: UUID) -> str:
    """What the args of a job are sealed for: they can't be opened as those of another one."""
    return f"args of job {job_id} of tenant {tenant_id}"


def keep_args(sealer: Sealer, schema: Schema, args: Mapping[str, Any], place: str) -> Kept:
    """Args, as they are kept in this place and in no other."""
    shown = _walk(schema, args, _NOTHING, "#", _hide)
    if shown == args:
        return Kept(dumps(args).decode(), None)
    return Kept(dumps(shown).decode(), sealer.seal(dumps(args).decode(), place))


def filled_in(
    schema: Schema, args: Mapping[str, Any], former: Mapping[str, Any] | None = None, *, partial: bool = False
) -> dict[str, Any]:
    """The args with what each `***` stands for: the secret that `former` has in that place; the schema takes them.

    With `partial`, what is missing is no fault. Items of a list have no place of their own: one keeps its secrets only
    where it comes back just as it was shown. Raises Invalid with every fault at once, among them a `***` that stands
    for nothing.
    """
    faults: dict[str, Fault] = {}

    def value_of(value: Any, before: Any, at: str) -> Any:
        if value != HIDDEN:
            return value
        if before is _NOTHING or before is None:
            faults[at] = Fault(at, "*** stands for a secret that is kept, and here is none: give the value.")
            return value
        return before

    filled = dict(_walk(schema, args, _NOTHING if former is None else former, "#/args", value_of))
    try:
        load(schema, filled, "#/args")
    except Invalid as error:
        wrong = (fault for fault in error.faults if not (partial and fault.detail == MISSING))
        faults = {fault.pointer: fault for fault in wrong} | faults
    if faults:
        raise Invalid(list(faults.values()))
    return filled


def secret_texts(schema: Schema, args: str) -> list[str]:
    """All texts within the secret values of args (JSON)."""
    found: list[str] = []

    def note(value: Any, _: Any, __: str) -> Any:
        found.extend(_texts(value))

    _walk(schema, orjson.loads(args), _NOTHING, "#", note)
    return found


def _hide(value: Any, _: Any, __: str) -> Any:
    return None if value is None else HIDDEN


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


@lru_cache(maxsize=1024)
def _members(schema: Schema) -> dict[str, AnyField]:
    return {
        name if field.data_key is None else field.data_key: field
        for name, field in schema.load_fields.items()
    }


def _is_secret(field: AnyField, name: str = "") -> bool:
    marked = field.metadata.get("secret", False)
    return bool(marked(name)) if callable(marked) else bool(marked)


def _inner(field: AnyField) -> Schema | AnyField | None:
    """What the values within a field's value are, if they may be anything."""
    if isinstance(field, fields.Pluck):
        return field.schema.load_fields[field.field_name]
    if isinstance(field, fields.Nested):
        return field.schema
    if isinstance(field, fields.List):
        return field.inner
    return field.value_field if isinstance(field, fields.Dict) else None


def _holds(about: Schema | AnyField | None, seen: set[tuple[type, frozenset[str]]]) -> bool:
    if isinstance(about, Schema):
        # Each level of what holds itself is another instance.
        kind = (type(about), frozenset(about.load_fields))
        if kind in seen:
            return False
        seen.add(kind)
        return any(_holds(field, seen) for field in _members(about).values())
    return about is not None and ("secret" in about.metadata or _holds(_inner(about), seen))


def _walk(
    about: Schema | AnyField | None, value: Any, former: Any, at: str, visit: Visit, name: str = ""
) -> Any:
    """The value with `visit` applied to what is secret in it; `former` is what stood there before."""
    if about is None:
        return value
    if isinstance(about, Schema):
        members = _members(about)
        return _each(members.get, value, former, at, visit)
    if _is_secret(about, name):
        return visit(value, former, at)
    inner = _inner(about)
    if isinstance(about, fields.List) or (isinstance(about, fields.Nested) and about.many):
        return _items(inner, value, former, at, visit)
    if isinstance(about, fields.Dict):
        return _each(lambda _: inner, value, former, at, visit)
    return _walk(inner, value, former, at, visit)


def _each(
    about: Callable[[str], Schema | AnyField | None], value: Any, former: Any, at: str, visit: Visit
) -> Any:
    if not isinstance(value, dict):
        return value
    before = former if isinstance(former, dict) else {}
    return {
        key: _walk(about(key), inner, before.get(key, _NOTHING), f"{at}/{escape(key)}", visit, key)
        for key, inner in value.items()
    }


def _items(about: Schema | AnyField | None, value: Any, former: Any, at: str, visit: Visit) -> Any:
    if not isinstance(value, list):
        return value
    before = former if isinstance(former, list) else []
    made = []
    for index, one in enumerate(value):
        was = before[index] if index < len(before) else _NOTHING
        if was is not _NOTHING and _walk(about, was, _NOTHING, at, _hide) != one:
            was = _NOTHING
        made.append(_walk(about, one, was, f"{at}/{index}", visit))
    return made
