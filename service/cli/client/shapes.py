"""What of each kind of thing is shown in a table and a CSV, and what is its name. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

SECONDS_OF = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of a kind of thing by their headings, each a dotted path into it; and the path of its name."""

    name: str
    columns: Mapping[str, str]
    shown: Mapping[str, Callable[[Any], str]] = field(default_factory=dict)
    """How the cells of a column look to people, where that is not as they are."""


def at(thing: Any, path: str) -> Any:
    """What lies at a dotted path; None where it ends early. A key may itself hold dots."""
    if not isinstance(thing, Mapping):
        return None
    if path in thing:
        return thing[path]
    first, dot, rest = path.partition(".")
    return at(thing.get(first), rest) if dot else None


def age(moment: Any) -> str:
    """How long ago a time was, in its largest unit; or how far off it is."""
    if not isinstance(moment, str):
        return ""
    try:
        seconds = (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    except (ValueError, TypeError):
        return moment
    unit, size = next(
        ((unit, size) for unit, size in reversed(SECONDS_OF.items()) if abs(seconds) >= 2 * size), ("s", 1)
    )
    return f"{int(seconds // size)}{unit}" if seconds >= 0 else f"in {int(-seconds // size)}{unit}"


JOB = Shape(
    "id",
    {
        "NUMBER": "number",
        "TYPE": "type",
        "STATUS": "status",
        "%": "percent_completed",
        "CREATED": "created_at",
        "BY": "created_by",
        "ID": "id",
        "RUNNING OUTPUT": "running_output",
    },
    {"CREATED": age},
)
MESSAGE = Shape("seq", {"SEQ": "seq", "TIME": "time", "LEVEL": "level", "TEXT": "text"})
OUTPUT = Shape(
    "id",
    {"NAME": "name", "TYPE": "mime_type", "SIZE": "size", "FORMATS": "available_formats", "ID": "id"},
)
JOB_TYPE = Shape(
    "code",
    {
        "CODE": "code",
        "NAME": "name",
        "CATEGORY": "category",
        "WORKERS": "workers",
        "DESCRIPTION": "description",
    },
)
DEFINITION = Shape(
    "code",
    {
        "CODE": "code",
        "TYPE": "type",
        "CRON": "schedule.cron",
        "TIMEZONE": "schedule.timezone",
        "ON": "schedule.enabled",
        "NEXT": "schedule.next_run_at",
        "NAME": "name",
    },
    {"NEXT": age},
)
FIRE = Shape("at", {"AT": "at", "LOCAL": "local", "POLICY": "policy"})
PAST_FIRE = Shape("fire_at", {"AT": "fire_at", "OUTCOME": "outcome", "JOB": "job_id", "DETAIL": "detail"})
KEY = Shape(
    "id",
    {
        "NAME": "name",
        "PRINCIPAL": "principal",
        "ROLES": "roles",
        "GRANTS": "grants",
        "USED": "last_used_at",
        "EXPIRES": "expires_at",
        "ID": "id",
    },
    {"USED": age, "EXPIRES": age},
)
WORKER = Shape(
    "id",
    {
        "ID": "id",
        "RUNNING": "running",
        "OF": "concurrency",
        "TAGS": "tags",
        "DRAINING": "draining",
        "DRAIN ORDERED": "drain_requested_at",
        "STARTED": "started_at",
        "VERSION": "version",
    },
    {"DRAIN ORDERED": age, "STARTED": age},
)
PROFILE = Shape("name", {"NAME": "name", "CURRENT": "current", "URL": "url", "KEY": "key"})
ME = Shape("principal", {"PRINCIPAL": "principal", "TENANT": "tenant", "ROLES": "roles"})
