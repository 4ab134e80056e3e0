"""How values look in JSON, on the wire and in the database. Pure."""

from datetime import datetime
from functools import lru_cache
from uuid import UUID

import orjson


def dumps(value: object) -> bytes:
    """JSON with times in RFC 3339 UTC, milliseconds and Z; an `orjson.Fragment` passes through as it is."""
    return orjson.dumps(value, _default, orjson.OPT_PASSTHROUGH_DATETIME)


def _default(value: object) -> str:
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, UUID):  # asyncpg's own subclass
        return str(value)
    raise TypeError


@lru_cache(maxsize=1024)  # a new job's times are one and the same, and so are those of a batch
def timestamp(value: datetime) -> str:
    """A time in UTC as the API shows it: `2026-11-22T10:41:19.123Z`."""
    return value.isoformat(timespec="milliseconds")[:23] + "Z"


def fragment(text: str | None) -> orjson.Fragment | None:
    """JSON text of the database, to be passed on without parsing it."""
    return None if text is None else orjson.Fragment(text)
