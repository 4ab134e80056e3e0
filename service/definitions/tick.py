"""One turn of a schedule: what is due is decided, recorded and made into jobs, in one transaction.

Any number of schedulers may run. Each holds the definition that it is at, so the others pass it by; each time of a
schedule is a row that can be written once; and the jobs, those rows and the schedule's progress commit together. A
scheduler that dies in the middle has done nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, takewhile
from uuid import UUID

from uuid_utils.compat import uuid7

from service.db.connection import Connection
from service.definitions import fire_store
from service.definitions.fire_store import NewFire
from service.definitions.fires import Fire
from service.definitions.prepare import schedule_of
from service.definitions.schedule import MADE_UP_FOR, Next, Schedule, due_at, next_of, times_of, to_fire
from service.errors import Invalid
from service.jobs.defined import Definition
from service.jobs.job import Row
from service.jobs.jobtype import JobType
from service.jobs.new_job import new_job
from service.jobs.schemas import JobIn
from service.jobs.secret_args import filled_in, keep_args, place_of
from service.jobs.store import Decided, NewJob, OverCap, insert_jobs_within_caps
from service.jobs.traced import note_job, submission_span
from service.sealing import Sealer, Unsealable
from service.telemetry.trace import new_traceparent
from service.web.payload import load

_JOB_IN = JobIn()
AT_ONCE = 10_000  # so many times of a schedule in a turn; the next turn goes on
_TAIL = 2 * MADE_UP_FOR  # those that may be made up for, and those of the last seconds, which are not missed
MOST_WAITING = 100


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn has brought: the code of the schedule's definition, its new jobs, and how late the latest one is."""

    code: str
    jobs: list[Row]
    outcomes: Mapping[str, int]
    lag_seconds: float


@dataclass(frozen=True, slots=True)
class Scheduler:
    """What a turn needs: the types that this process knows, and the keys of secret args."""

    job_types: Mapping[str, JobType]
    sealer: Sealer


_DEFINITION = """
SELECT definition.id, definition.tenant_id, definition.code, definition.type, definition.description, definition.args,
       definition.sealed_args, definition.priority, definition.worker_tag, definition.publish_link_access_scope,
       definition.timeout_seconds, definition.max_attempts, definition.labels, definition.options,
       definition.created_by, definition.attachment_file_id, definition.attachment_url, definition.attachment_name,
       definition.attachment_mime_type, files.size AS attachment_size, files.sha256 AS attachment_sha256,
       definition.schedule, definition.walked_at, definition.next_run_at, definition.next_due_at
"""

DUE = f"""
{_DEFINITION}
FROM job_definitions AS definition LEFT JOIN files ON files.id = definition.attachment_file_id
WHERE definition.next_due_at <= $1 AND definition.type = ANY ($2::text[])
ORDER BY definition.next_due_at LIMIT 1
FOR NO KEY UPDATE OF definition SKIP LOCKED
"""

# Not of a former definition of that code; as in NEXT_WAITING.
UNDER_WAY = """
SELECT EXISTS (
    SELECT FROM jobs JOIN job_definitions AS definition ON definition.id = $1
    WHERE jobs.tenant_id = definition.tenant_id AND jobs.definition = definition.code
      AND jobs.status IN ('pending', 'suspended', 'running') AND jobs.created_at >= definition.created_at)
"""

WAITING = "SELECT count(*) FROM fires WHERE definition_id = $1 AND outcome = 'waiting'"

POSTPONE = "UPDATE job_definitions SET next_due_at = $2 WHERE id = $1"

ADVANCE = """
UPDATE job_definitions SET walked_at = $2, next_run_at = $3, next_due_at = $4,
    last_run_at = coalesce($5, last_run_at), last_job_id = coalesce($6, last_job_id), version = version + 1
WHERE id = $1
"""


async def turn(connection: Connection, scheduler: Scheduler, now: datetime) -> Turn | None:
    """In a transaction: one definition whose schedule is due by `now`; None when there is none."""
    row = await connection.fetchrow(DUE, now, list(scheduler.job_types))
    if row is None:
        return None
    try:
        schedule = schedule_of(row["schedule"])
    except Invalid:  # a zone that this machine does not know, for instance: another one may
        await connection.execute(POSTPONE, row["id"], now + timedelta(minutes=1))
        return Turn(row["code"], [], {"unreadable": 1}, 0.0)
    assert schedule is not None  # noqa: S101 - a CHECK of the table
    times, are_all = _times(schedule, row, now)
    walked_at = times[-1].at if times else now
    fires = await _decided(connection, row, schedule, times, now if are_all else None)
    jobs = await _fire(connection, scheduler, row, fires)
    following = next_of(schedule, row["id"], walked_at)
    await _advance(connection, row["id"], following, fires, jobs)
    lag = max((now - due_at(schedule, row["id"], fire.at) for fire in fires), default=timedelta())
    return Turn(row["code"], jobs, _counted(fires, jobs), lag.total_seconds())


def _times(schedule: Schedule, row: Row, now: datetime) -> tuple[list[Fire], bool]:
    """The times that are due, and whether they are all: of too many, those that may be made up for wait for a turn."""
    times = times_of(schedule, row["walked_at"])
    due = takewhile(lambda fire: due_at(schedule, row["id"], fire.at) <= now, times)
    found = list(islice(due, AT_ONCE + _TAIL))
    return (found, True) if len(found) < AT_ONCE + _TAIL else (found[:AT_ONCE], False)


async def _decided(
    connection: Connection, row: Row, schedule: Schedule, times: Sequence[Fire], now: datetime | None
) -> list[NewFire]:
    """What becomes of each of these times; without `now` all of them were missed long ago."""
    firing = set()
    if now is not None:
        due = [fire.at for fire in times if not fire.is_skipped]
        firing = {due[place] for place in to_fire(due, now, schedule["misfire"])}
    under_way, waiting = False, 0
    if schedule["overlap"] != "allow":
        under_way = await connection.fetchval(UNDER_WAY, row["id"])
        waiting = await connection.fetchval(WAITING, row["id"])
    decided = []
    for fire in times:
        outcome = "fired"
        if fire.is_skipped:
            outcome = "left_out"
        elif fire.at not in firing:
            outcome = "missed"
        elif schedule["overlap"] == "skip" and under_way:
            outcome = "overlapped"
        elif schedule["overlap"] == "wait" and (under_way or waiting):
            outcome = "waiting" if waiting < MOST_WAITING else "overlapped"
        under_way = under_way or outcome == "fired"
        waiting += outcome == "waiting"
        job_id = uuid7() if outcome == "fired" else None
        decided.append(NewFire(fire.at, _told(fire), fire.policy, outcome, job_id))
    return decided


def _told(fire: Fire) -> str:
    return fire.local.isoformat(timespec="seconds")


async def _fire(
    connection: Connection, scheduler: Scheduler, row: Row, fires: Sequence[NewFire]
) -> list[Row]:
    """Record what was decided, and make the jobs of those that fire."""
    if not fires:
        return []
    wanted = await fire_store.record_fires(connection, row["id"], fires)
    made = [await _make(connection, scheduler, row, job_id) for job_id in sorted(wanted)]
    return [one for one in made if one is not None]


async def _make(connection: Connection, scheduler: Scheduler, row: Row, job_id: UUID) -> Row | None:
    """Make one job; None when it is refused, and the fire says why."""
    try:
        job = scheduled_job(scheduler, row, job_id)
    except Invalid as error:
        detail = "; ".join(f"{fault.pointer}: {fault.detail}" for fault in error.faults)
    except Unsealable:
        detail = "the secret args of the definition cannot be opened any more, as their key is gone"
    else:
        decided = await _insert(connection, job)
        if isinstance(decided, OverCap):
            detail = f"the tenant's cap of {decided.cap} queued jobs is reached"
        elif decided is not None:
            return {**job._asdict(), **decided, "run": 1, "claim": 0}
        else:
            detail = "a job of its id is there already"
    await fire_store.refuse_fire(connection, job_id, detail)
    return None


async def _insert(connection: Connection, job: NewJob) -> Decided:
    """Insert it at the beginning of a trace of its own, which its attempts and its notices go on with."""
    with submission_span(job.type) as submitting:
        traceparent = submitting.traceparent if submitting else new_traceparent()
        (decided,) = await insert_jobs_within_caps(connection, [job._replace(traceparent=traceparent)])
        if submitting and isinstance(decided, OverCap):
            submitting.fail("CapExceeded")
        elif submitting:
            note_job(submitting, job.id, replayed=decided is None)
        return decided


def scheduled_job(scheduler: Scheduler, row: Row, job_id: UUID) -> NewJob:
    """A job as its definition has it, made in the name of whoever made the definition. Raises Invalid, Unsealable."""
    definition, job_type = Definition(row), scheduler.job_types[row["type"]]
    ask = load(_JOB_IN, definition.completed({}, scheduler.sealer))
    args = filled_in(job_type.params, ask["args"])
    kept = keep_args(scheduler.sealer, job_type.params, args, place_of(row["tenant_id"], job_id))
    return new_job(
        job_id,
        row["tenant_id"],
        row["created_by"],
        ask,
        job_type,
        definition,
        kept,
        definition.attached(),
        is_scheduled=True,
    )


async def _advance(
    connection: Connection,
    definition_id: UUID,
    following: Next,
    fires: Sequence[NewFire],
    jobs: Sequence[Row],
) -> None:
    """Say how far the schedule has come."""
    fired = {fire.job_id: fire.at for fire in fires}
    last = jobs[-1]["id"] if jobs else None
    await connection.execute(ADVANCE, definition_id, *following, fired.get(last) if last else None, last)


def _counted(fires: Sequence[NewFire], jobs: Sequence[Row]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for fire in fires:
        if fire.outcome != "fired":
            counted[fire.outcome] = counted.get(fire.outcome, 0) + 1
    return counted | ({"fired": len(jobs)} if jobs else {})


NEXT_WAITING = f"""
{_DEFINITION}, fires.id AS fire_id, fires.at AS fire_at
FROM fires JOIN job_definitions AS definition ON definition.id = fires.definition_id
LEFT JOIN files ON files.id = definition.attachment_file_id
WHERE fires.outcome = 'waiting' AND definition.type = ANY ($1::text[])
  AND NOT EXISTS (SELECT FROM jobs WHERE jobs.tenant_id = definition.tenant_id AND jobs.definition = definition.code
                    AND jobs.status IN ('pending', 'suspended', 'running') AND jobs.created_at >= definition.created_at)
ORDER BY fires.at LIMIT 1
FOR NO KEY UPDATE OF definition, fires SKIP LOCKED
"""

FIRE_WAITING = "UPDATE fires SET outcome = 'fired', job_id = $2, decided_at = now() WHERE id = $1"

FIRED = """
UPDATE job_definitions SET last_run_at = $2, last_job_id = $3, version = version + 1 WHERE id = $1
"""


async def end_wait(connection: Connection, scheduler: Scheduler) -> Turn | None:
    """In a transaction: one fire that has waited for another job to end; None when there is none."""
    row = await connection.fetchrow(NEXT_WAITING, list(scheduler.job_types))
    # Asked again now that the definition is held: another scheduler may have just made a job of it.
    if row is None or await connection.fetchval(UNDER_WAY, row["id"]):
        return None
    job_id = uuid7()
    await connection.execute(FIRE_WAITING, row["fire_id"], job_id)
    job = await _make(connection, scheduler, row, job_id)
    if job is None:
        return Turn(row["code"], [], {"refused": 1}, 0.0)
    await connection.execute(FIRED, row["id"], row["fire_at"], job_id)
    return Turn(row["code"], [job], {"fired": 1}, 0.0)
