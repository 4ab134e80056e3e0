"""The statements of GET /api/jobs where a few values of one column, and times of creation, are its only filters.

How many jobs have a value PostgreSQL knows, but not where they are. With the statements of orders.py it walks through
the newest jobs of all, and passes whatever came in lately with another value. Here the order of each value begins with
the column itself, which its own index alone gives (no equality, which would let PostgreSQL leave the column out of the
order). So a page of one value reads no job that it does not show; pages of several values are merged.

$1 is the tenant, $2 the most jobs, $3 the values, $4 and $5 the bounds of created_at; $6 and $7 are the key of the row
before the page, which lies within these, the same as in orders.py, so one cursor serves both.
"""

from collections.abc import Mapping
from typing import Any

from service.jobs.orders import BY_TIME, Leg

MOST_VALUES = 6
"""Each value costs a page of its own. Where more are wanted, little is passed that is not."""


LEAST, GREATEST = "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"

# One bound below and one above, each a row: of two on one side PostgreSQL begins at either, and walks to the other.


def _newest(column: str) -> str:
    return f"""
SELECT found.id, found.version, found.created_at
FROM (SELECT DISTINCT unnest($3::text[])) AS wanted(value) CROSS JOIN LATERAL (
    SELECT id, version, created_at FROM jobs
    WHERE tenant_id = $1 AND {column} IS NOT NULL
      AND ({column}, created_at) >= (wanted.value, coalesce($4::timestamptz, '-infinity'))
      AND ({column}, created_at, id) < (wanted.value, coalesce($6::timestamptz, $5::timestamptz, 'infinity'),
                                        coalesce($7::uuid, '{GREATEST}'))
    ORDER BY {column} DESC, created_at DESC, id DESC LIMIT $2) AS found
ORDER BY found.created_at DESC, found.id DESC LIMIT $2"""


def _oldest(column: str) -> str:
    return f"""
SELECT found.id, found.version, found.created_at
FROM (SELECT DISTINCT unnest($3::text[])) AS wanted(value) CROSS JOIN LATERAL (
    SELECT id, version, created_at FROM jobs
    WHERE tenant_id = $1 AND {column} IS NOT NULL
      AND ({column}, created_at) <= (wanted.value, coalesce($5::timestamptz, 'infinity'))
      AND ({column}, created_at, id) > (wanted.value, coalesce($6::timestamptz, $4::timestamptz, '-infinity'),
                                        coalesce($7::uuid, '{LEAST}'))
    ORDER BY {column}, created_at, id LIMIT $2) AS found
ORDER BY found.created_at, found.id LIMIT $2"""


NEWEST_OF_STATUSES, OLDEST_OF_STATUSES = _newest("status"), _oldest("status")
NEWEST_OF_TYPES, OLDEST_OF_TYPES = _newest("type"), _oldest("type")
NEWEST_OF_DEFINITIONS, OLDEST_OF_DEFINITIONS = _newest("definition"), _oldest("definition")
NEWEST_OF_CREATORS, OLDEST_OF_CREATORS = _newest("created_by"), _oldest("created_by")

_LEGS: Mapping[tuple[str, str], Leg] = {
    ("-created_at", "status"): Leg(NEWEST_OF_STATUSES, BY_TIME, values_of="status"),
    ("created_at", "status"): Leg(OLDEST_OF_STATUSES, BY_TIME, values_of="status"),
    ("-created_at", "type"): Leg(NEWEST_OF_TYPES, BY_TIME, values_of="type"),
    ("created_at", "type"): Leg(OLDEST_OF_TYPES, BY_TIME, values_of="type"),
    ("-created_at", "definition"): Leg(NEWEST_OF_DEFINITIONS, BY_TIME, values_of="definition"),
    ("created_at", "definition"): Leg(OLDEST_OF_DEFINITIONS, BY_TIME, values_of="definition"),
    ("-created_at", "created_by"): Leg(NEWEST_OF_CREATORS, BY_TIME, values_of="created_by"),
    ("created_at", "created_by"): Leg(OLDEST_OF_CREATORS, BY_TIME, values_of="created_by"),
}


def order_by_value(sort: str, filters: Mapping[str, Any]) -> tuple[Leg, ...] | None:
    """The order for these filters (orders.FILTERS) of one who may see all; None where they are others."""
    asked = {name for name, given in filters.items() if given is not None} - {"created_from", "created_to"}
    if len(asked) != 1:
        return None
    leg = _LEGS.get((sort, column := asked.pop()))
    return (leg,) if leg is not None and len(filters[column]) <= MOST_VALUES else None
