"""The job's state machine, stated once. Pure.

SQL guards, docs/architecture.md and the CHECK in schema.sql follow it; tests compare them.
"""

from enum import StrEnum


class Status(StrEnum):
    """Where a job stands."""

    PENDING = "pending"  # waits for its turn or for run_at; a worker's claim moves it on
    SUSPENDED = "suspended"  # held back by a person; resume moves it on
    RUNNING = "running"  # a worker holds its lease; the worker settles it, or rescue when the lease ran out
    FINISHED = "finished"  # ended well; only a rerun leads out
    FAILED = "failed"  # ended badly, out of attempts; only a rerun leads out
    CANCELLED = "cancelled"  # ended by a person or by expires_in; only a rerun leads out


TERMINAL = frozenset({Status.FINISHED, Status.FAILED, Status.CANCELLED})

TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.RUNNING, Status.SUSPENDED, Status.CANCELLED}),
    Status.SUSPENDED: frozenset({Status.PENDING, Status.CANCELLED}),
    Status.RUNNING: frozenset({Status.FINISHED, Status.FAILED, Status.CANCELLED, Status.PENDING}),
    Status.FINISHED: frozenset({Status.PENDING}),
    Status.FAILED: frozenset({Status.PENDING}),
    Status.CANCELLED: frozenset({Status.PENDING}),
}


class Priority(StrEnum):
    """Classes of urgency, from the least."""

    LOW = "low"
    DEFAULT = "default"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


PRIORITIES: tuple[Priority, ...] = tuple(Priority)
"""The database keeps the index: 0 is low, 4 critical."""


def came_from(target: Status) -> tuple[Status, ...]:
    """The states that lead to `target`, for the guard of an UPDATE."""
    return tuple(status for status in Status if target in TRANSITIONS[status])
