"""What a dialect is: one shape for all of them, from which app.py mounts those that are switched on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiohttp import web

from service.settings import SettingsError
from service.web.described import Handler
from service.web.middleware import Refusal
from service.web.openapi import Document

ALL, NONE = "*", "none"


@dataclass(frozen=True, slots=True)
class Dialect:
    """A vendor's API over the same core operations that the native one calls.

    `routes` are the vendor's own paths; `in_place_of` has handlers that answer at native paths instead of the native
    ones, and pass on what is not meant for them. `prefixes` are the paths (`/webapi`) below which `refusal` says how an
    error looks, unknown paths included; None is the native form. `document` is served at /api/openapi/{name}.json.
    """

    name: str
    document: Document
    routes: tuple[web.RouteDef, ...] = ()
    prefixes: tuple[str, ...] = ()
    refusal: Refusal | None = None
    in_place_of: Mapping[Handler, Handler] = field(default_factory=dict)


def switched_on(dialects: Sequence[Dialect], names: Sequence[str]) -> tuple[Dialect, ...]:
    """The dialects that LAVORI_DIALECTS names. Raises SettingsError for a name that none has."""
    known = {dialect.name: dialect for dialect in dialects}
    if tuple(names) == (NONE,):
        return ()
    if tuple(names) == (ALL,):
        return tuple(dialects)
    if faults := [
        f"LAVORI_DIALECTS holds {name!r}; it takes `{ALL}`, `{NONE}`, or some of {', '.join(known)}."
        for name in names
        if name not in known
    ]:
        raise SettingsError(tuple(faults))
    return tuple(known[name] for name in dict.fromkeys(names))


def refusals(dialects: Sequence[Dialect]) -> tuple[tuple[str, Refusal], ...]:
    """Below which path which form of errors holds."""
    return tuple(
        (prefix, dialect.refusal)
        for dialect in dialects
        if dialect.refusal is not None
        for prefix in dialect.prefixes
    )


def stand_ins(dialects: Sequence[Dialect]) -> dict[Handler, Handler]:
    """Which handlers answer at native paths instead of the native ones."""
    return {native: ours for dialect in dialects for native, ours in dialect.in_place_of.items()}
