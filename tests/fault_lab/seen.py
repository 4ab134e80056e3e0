"""What was seen while parts were failing: by clients, by the job types, and by the database itself.

Three witnesses that can't agree by accident: the clients' history is kept by the load generator, the effect log is a
file that job types append to, and the ledger is read from PostgreSQL, where a trigger of the tests has noted each
change of each job.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID

TERMINAL = frozenset(("finished", "failed", "cancelled"))


@dataclass(frozen=True, slots=True)
class Answered:
    """One request of a client and what came of it; `status` is None where no whole answer came.

    `job_ids` are all ids in the answer; `key` is the idempotency key of a submit.
    """

    tenant: int
    what: str
    status: int | None
    seconds: float
    key: str | None = None
    job_ids: tuple[UUID, ...] = ()
    retry_after: bool = False


@dataclass(slots=True)
class History:
    """All that clients have asked, in the order of the answers."""

    answers: list[Answered] = field(default_factory=list)

    def submits(self) -> list[Answered]:
        """The submits that were accepted."""
        return [one for one in self.answers if one.what == "submit" and one.status in (200, 201)]


@dataclass(frozen=True, slots=True)
class Effect:
    """A line of the effect log: `what` is begins, commits (a step, whose transaction has been committed) or ends."""

    job_id: UUID
    run: int
    claim: int
    what: str
    step: int


def read_effects(diary: Path) -> list[Effect]:
    """The effect log; a job type writes each line with one append, so only whole lines are there."""
    if not diary.exists():
        return []
    found = []
    for line in diary.read_text().splitlines():
        job_id, run, claim, what, step = line.split()
        found.append(Effect(UUID(job_id), int(run), int(claim), what, int(step)))
    return found


@dataclass(frozen=True, slots=True)
class JobRow:
    """What a job's rows say at the end."""

    id: UUID
    tenant: int
    key: str | None
    status: str
    run: int
    claim: int
    version: int


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a job's row, as the trigger noted it; `before` is None where the job was made."""

    job_id: UUID
    run: int
    claim: int
    before: str | None
    after: str
    percent: int
    version: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """What PostgreSQL and storage hold at the end; `late` and `idle` are for a system that has all its parts."""

    jobs: Sequence[JobRow]
    changes: Sequence[Change] = ()
    messages: Sequence[tuple[UUID, int]] = ()  # job, its number among the job's events
    finished_claims: Sequence[tuple[UUID, int]] = ()  # job, run: an attempt that ended finished
    commits: Sequence[tuple[UUID, int, int]] = ()  # job, run, step: an effect in a fenced transaction
    late: Sequence[UUID] = ()  # running with a lease that has been over for 10 s
    idle: Sequence[UUID] = ()  # pending and due for 10 s while slots are free
    fires: Sequence[tuple[UUID, datetime, UUID | None]] = ()  # definition, time, job
    fired_jobs: Sequence[UUID] = ()  # jobs of schedules that are there
    notices: Sequence[tuple[UUID, str]] = ()  # notice, its state
    unowed: Sequence[UUID] = ()  # ended jobs that asked for a notice and have none
    missing_blobs: Sequence[str] = ()  # rows without bytes
    stray_blobs: Sequence[str] = ()  # bytes without a row, after the grace
