"""GET /api/jobs/{id}/explain: why a job is not running, how many go before it, and when it may start and end.

What goes before it is counted as workers take jobs (lanes.py): within a lane tenants take turns; among lanes priority
goes first, save before the head of a lane that has waited for more minutes than classes are between. Of the time that
is left, the medians of the tenant's latest jobs by type tell; without history there is no estimate.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from aiohttp import web

from service.access.middleware import principal_of
from service.db.connection import Connection
from service.errors import NotFound
from service.jobs.asked import job_id_of
from service.jobs.claims import worker_tags
from service.jobs.core import CORE
from service.jobs.listing import LISTS
from service.jobs.pace import PACE
from service.jobs.states import TERMINAL, Status
from service.web.encoding import timestamp
from service.web.payload import json_response, no_query

JOB = """
SELECT jobs.id, jobs.tenant_id, jobs.type, jobs.status, jobs.priority, jobs.worker_tag, jobs.attempt, jobs.max_attempts,
       jobs.due_at, jobs.started_at, jobs.claimed_at, jobs.worker_id, jobs.percent_completed, now() AS now,
       (tenants.caps ->> 'running')::int AS cap,
       CASE WHEN tenants.caps ->> 'running' IS NOT NULL THEN (
           SELECT count(*) FROM jobs AS other WHERE other.tenant_id = jobs.tenant_id AND other.status = 'running') END
       AS under_way
FROM jobs JOIN tenants ON tenants.id = jobs.tenant_id
WHERE jobs.id = $1 AND jobs.tenant_id = $2
"""

LIVE = """
SELECT tags, types, concurrency,
       (SELECT count(*) FROM jobs WHERE jobs.worker_id = workers.id AND status = 'running') AS busy
FROM workers WHERE beat_at > now() - interval '15 seconds' AND NOT draining
"""

# Of the 100,000 that are first by priority and time: behind more than those the place is not told.
AHEAD = """
WITH waiting AS (
    SELECT id, tenant_id, type, priority, coalesce(worker_tag, '') AS tag, due_at FROM jobs
    WHERE status = 'pending' AND due_at <= now() AND (start_by IS NULL OR start_by > now())
      AND CASE WHEN worker_tag IS NULL THEN $2::bool ELSE $3::bool OR worker_tag = ANY ($4::text[]) END
      AND type = ANY ($5::text[])
    ORDER BY priority DESC, due_at, id LIMIT 100000
), turns AS (
    SELECT *, row_number() OVER (PARTITION BY priority, tag, tenant_id ORDER BY due_at, id) AS turn,
           due_at - priority * interval '1 minute' AS age
    FROM waiting
), places AS (
    SELECT *, row_number() OVER lane AS place, first_value(age) OVER lane AS head_age
    FROM turns WINDOW lane AS (PARTITION BY priority, tag ORDER BY turn, id)
), mine AS (
    SELECT * FROM places WHERE id = $1
)
SELECT places.type, count(places.id) AS jobs,
       count(*) FILTER (WHERE places.tenant_id <> mine.tenant_id AND places.due_at > mine.due_at
                          AND (places.priority, places.tag) = (mine.priority, mine.tag)) AS overtaking
FROM mine LEFT JOIN places
  ON CASE WHEN places.priority = mine.priority
          THEN (places.place, places.age, places.id) < (mine.place, mine.age, mine.id)
          WHEN places.priority > mine.priority THEN mine.place > 1 OR places.head_age <= mine.age
          ELSE places.place = 1 AND places.age < mine.head_age END
GROUP BY places.type
"""


async def explain(request: web.Request) -> web.Response:
    """GET /api/jobs/{id}/explain."""
    no_query(request)
    core, principal = request.app[CORE], principal_of(request)
    heading = await core.reader.heading(principal, job_id_of(request))
    medians = await request.app[PACE].measured(principal.tenant_id)
    async with request.app[LISTS].connection() as connection:
        told = await explain_job(connection, heading.id, principal.tenant_id, medians)
    return json_response(told)


async def explain_job(
    connection: Connection, job_id: UUID, tenant_id: int, medians: Mapping[str, float]
) -> dict[str, Any]:
    """The envelope of the contract; `medians` are run times in seconds by type. Raises NotFound."""
    job = await connection.fetchrow(JOB, job_id, tenant_id)
    if job is None:
        raise NotFound("no such job")
    typical = medians.get(job["type"])
    if job["status"] in TERMINAL:
        return _told("terminal", f"The job is {job['status']}.")
    if job["status"] == Status.RUNNING:
        detail = f"The job has run since {timestamp(job['started_at'])}."
        return _told("running", detail, end=_end_of_running(job, typical))
    if job["status"] == Status.SUSPENDED:
        return _told("suspended", "The job is held back until somebody resumes it.")
    if job["due_at"] > job["now"]:
        start = job["due_at"]
        if job["attempt"] > 1:
            detail = f"Try {job['attempt']} of {job['max_attempts']} begins at {timestamp(start)}."
            return _told("retry_backoff", detail, start=start, end=_after(start, typical))
        detail = f"The job is scheduled for {timestamp(start)}."
        return _told("scheduled", detail, start=start, end=_after(start, typical))
    return await _waiting(connection, job, medians)


async def _waiting(
    connection: Connection, job: asyncpg.Record, medians: Mapping[str, float]
) -> dict[str, Any]:
    """Of a job that is due: who could take it, and who goes before it."""
    live = await connection.fetch(LIVE)
    able = [one for one in live if job["type"] in one["types"] and _takes(one["tags"], job["worker_tag"])]
    queue = await connection.fetch(AHEAD, job["id"], *_rivals(job, able))
    ahead = sum(row["jobs"] for row in queue) if queue else None
    place: dict[str, Any] = {} if ahead is None else {"position": ahead + 1, "ahead": ahead}
    if not able:
        return _told(*_no_worker(job, live), **place)
    typical = medians.get(job["type"])
    start = None
    if ahead is not None and typical is not None:
        slots, busy = sum(one["concurrency"] for one in able), sum(one["busy"] for one in able)
        seconds = sum(row["jobs"] * medians.get(row["type"], typical) for row in queue) + busy * typical / 2
        start = job["now"] + timedelta(seconds=0 if ahead + busy < slots else seconds / slots)
    estimate: dict[str, Any] = {"start": start, "end": _after(start, typical)}
    if job["cap"] is not None and job["under_way"] >= job["cap"]:
        return _told(
            "tenant_cap", f"The tenant may run {job['cap']} jobs at once, and does.", **place, **estimate
        )
    before = "More than 100,000 jobs wait."
    if ahead is not None:
        before = "One job goes before this one." if ahead == 1 else f"{ahead} jobs go before this one."
    if sum(row["overtaking"] for row in queue):
        detail = f"Tenants take turns, and this one has had its share: {before}"
        return _told("fair_share", detail, **place, **estimate)
    return _told("waiting_turn", before, **place, **estimate)


def _takes(words: Sequence[str], tag: str | None) -> bool:
    tags = worker_tags(tuple(words))
    return not tags.only_tagged if tag is None else tags.any_tag or tag in tags.named


def _rivals(job: asyncpg.Record, able: Sequence[asyncpg.Record]) -> tuple[bool, bool, list[str], list[str]]:
    """Which jobs the same workers take: untagged ones? any tag? these tags, these types. Without workers: its own."""
    if not able:
        tag = job["worker_tag"]
        return tag is None, False, [tag] if tag is not None else [], [job["type"]]
    tags = [worker_tags(tuple(one["tags"])) for one in able]
    return (
        not all(one.only_tagged for one in tags),
        any(one.any_tag for one in tags),
        sorted({name for one in tags for name in one.named}),
        sorted({name for one in able for name in one["types"]}),
    )


def _no_worker(job: asyncpg.Record, live: Sequence[asyncpg.Record]) -> tuple[str, str]:
    if not live:
        return "no_worker", "No worker is alive, or all of them drain."
    if not any(job["type"] in one["types"] for one in live):
        return "no_worker", f"No worker that is alive has the job type {job['type']}."
    if job["worker_tag"] is None:
        return "no_worker", "All workers that are alive take only tagged jobs."
    return "no_worker_with_tag", f"No worker that is alive takes jobs tagged {job['worker_tag']}."


def _end_of_running(job: asyncpg.Record, typical: float | None) -> datetime | None:
    """By its percentage, of the attempt that reports it; without one, by how long such jobs take; never in the past."""
    now: datetime = job["now"]
    if job["percent_completed"]:
        left: timedelta = (now - job["claimed_at"]) * (100 / job["percent_completed"] - 1)
        return now + left
    end = _after(job["started_at"], typical)
    return max(end, now) if end else None


def _after(start: datetime | None, seconds: float | None) -> datetime | None:
    return None if start is None or seconds is None else start + timedelta(seconds=seconds)


def _told(
    reason: str,
    detail: str,
    *,
    position: int | None = None,
    ahead: int | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> dict[str, Any]:
    return {
        "reason": reason,
        "detail": detail,
        "position": position,
        "ahead": ahead,
        "estimated_start_at": start,
        "estimated_end_at": end,
    }


routes = [web.get("/api/jobs/{id}/explain", explain)]
