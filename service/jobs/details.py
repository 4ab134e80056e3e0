"""GET /api/stats/details: what charts are drawn from, which types fail, and what each queue holds.

The cost is bounded whatever the window holds: of each step the latest 200 ends are read, and where there were more, its
pace and its shares are theirs (`sampled`). Failures are counted among the newest 2,000 failed jobs. Who may not read
all jobs is told of their own alone, the newest 10,000.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import orjson
from aiohttp import web
from marshmallow import fields, validate

from service.db.connection import Connection
from service.jobs.listing import LISTS
from service.jobs.pages import shared_definitions
from service.jobs.stats import Stats, StatsIn, answer_of
from service.web.payload import query

MOST_STEPS = 120
MOST_OF_A_STEP = 200

ENDS = """
SELECT steps.until, ended.*
FROM (SELECT now() - make_interval(secs => $2 * ($3 - n) / $3::float8) AS since,
             now() - make_interval(secs => $2 * ($3 - n - 1) / $3::float8) AS until
      FROM generate_series(0, $3 - 1) AS n) AS steps
CROSS JOIN LATERAL (
    SELECT count(*) AS ends, count(*) FILTER (WHERE status = 'failed') AS failed,
           percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - due_at))
               FILTER (WHERE due_at <= started_at) AS wait,
           percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM terminated_at - started_at))
               FILTER (WHERE started_at IS NOT NULL) AS run,
           extract(epoch FROM steps.until - min(terminated_at))::float8 AS span
    FROM (SELECT status, due_at, started_at, terminated_at FROM jobs
          WHERE tenant_id = $1 AND terminated_at > steps.since AND terminated_at <= steps.until
          ORDER BY terminated_at DESC LIMIT 200) AS latest
) AS ended
ORDER BY steps.until
"""

FAILING = """
SELECT type, count(*) AS failed, (array_agg(error ->> 'code' ORDER BY created_at DESC))[1] AS error_code
FROM (SELECT type, error, created_at FROM jobs
      WHERE tenant_id = $1 AND status = 'failed' AND created_at > now() - make_interval(secs => $2)
      ORDER BY created_at DESC LIMIT 2000) AS latest
GROUP BY type ORDER BY failed DESC, type LIMIT 10
"""

QUEUES = """
SELECT queue, sum(jobs) FILTER (WHERE status = 'pending')::bigint AS pending,
       sum(jobs) FILTER (WHERE status = 'suspended')::bigint AS suspended,
       sum(jobs) FILTER (WHERE status = 'running')::bigint AS running
FROM job_tallies WHERE tenant_id = $1 GROUP BY queue HAVING sum(jobs) > 0 ORDER BY queue
"""

OWN = """
WITH own AS MATERIALIZED (
    SELECT type, queue, status, error, created_at, due_at, started_at, terminated_at FROM jobs
    WHERE tenant_id = $1
      AND (created_by = $4
           OR ($5::text[] IS NOT NULL AND definition = ANY ($5) AND EXISTS (
                 SELECT FROM job_definitions AS shared
                 WHERE (shared.tenant_id, shared.code) = (jobs.tenant_id, jobs.definition)
                   AND shared.created_at <= jobs.created_at)))  -- not of a former definition of that code
    ORDER BY created_at DESC, id DESC LIMIT 10000
), steps AS (
    SELECT now() - make_interval(secs => $2 * ($3 - n) / $3::float8) AS since,
           now() - make_interval(secs => $2 * ($3 - n - 1) / $3::float8) AS until
    FROM generate_series(0, $3 - 1) AS n
), ends AS (
    SELECT steps.until, count(terminated_at) AS ends, count(*) FILTER (WHERE status = 'failed') AS failed,
           percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - due_at))
               FILTER (WHERE due_at <= started_at) AS wait,
           percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM terminated_at - started_at))
               FILTER (WHERE started_at IS NOT NULL) AS run
    FROM steps LEFT JOIN own ON terminated_at > since AND terminated_at <= until
    GROUP BY steps.until
), failing AS (
    SELECT type, count(*) AS failed, (array_agg(error ->> 'code' ORDER BY created_at DESC))[1] AS error_code
    FROM own WHERE status = 'failed' AND created_at > now() - make_interval(secs => $2)
    GROUP BY type ORDER BY failed DESC, type LIMIT 10
), queues AS (
    SELECT queue, count(*) FILTER (WHERE status = 'pending') AS pending,
           count(*) FILTER (WHERE status = 'suspended') AS suspended,
           count(*) FILTER (WHERE status = 'running') AS running
    FROM own GROUP BY queue ORDER BY queue
)
SELECT (SELECT json_agg(one ORDER BY until) FROM ends AS one) AS ends,
       (SELECT json_agg(one) FROM failing AS one) AS failing,
       (SELECT json_agg(one) FROM queues AS one) AS queues
"""


class DetailsIn(StatsIn):
    """The query of GET /api/stats/details."""

    steps = fields.Integer(load_default=60, validate=validate.Range(1, MOST_STEPS))


async def measure_details(
    connection: Connection, tenant_id: int, window: int, reader: str | None, steps: int
) -> dict[str, Any]:
    """The envelope of all jobs of the tenant (`reader` None), or of those that the reader may see."""
    ends: Sequence[Any]
    if reader is None:
        ends = await connection.fetch(ENDS, tenant_id, window, steps)
        failing = [dict(row) for row in await connection.fetch(FAILING, tenant_id, window)]
        queues = [dict(row) for row in await connection.fetch(QUEUES, tenant_id)]
    else:
        codes = await shared_definitions(connection, tenant_id, reader) or None
        (own,) = await connection.fetch(OWN, tenant_id, window, steps, reader, codes)
        ends, failing, queues = (orjson.loads(own[name] or "[]") for name in ("ends", "failing", "queues"))
    step = window / steps
    return {
        "window_seconds": window,
        "step_seconds": step,
        "points": [_point(row, step, capped=reader is None) for row in ends],
        "failing": failing,
        "queues": [{name: value or 0 for name, value in row.items()} for row in queues],
    }


def _point(row: Any, step: float, *, capped: bool) -> dict[str, Any]:
    """A step; when its ends are a sample, they tell of the pace over the time that they span."""
    sampled = capped and row["ends"] >= MOST_OF_A_STEP
    share = step / max(row["span"], 0.001) if sampled else 1.0
    until = row["until"]
    (wait50, wait95), (run50, run95) = (row[name] or (None, None) for name in ("wait", "run"))
    return {
        "at": datetime.fromisoformat(until) if isinstance(until, str) else until,
        "ended": round(row["ends"] * share),
        "failed": round(row["failed"] * share),
        "sampled": sampled,
        "wait_p50": _rounded(wait50),
        "wait_p95": _rounded(wait95),
        "run_p50": _rounded(run50),
        "run_p95": _rounded(run95),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


DETAILS = web.AppKey("details", Stats)
_DETAILS_IN = DetailsIn()


async def details_of(app: web.Application) -> AsyncIterator[None]:
    """A `cleanup_ctx` of the application, after listing.lists_of."""
    app[DETAILS] = Stats(app[LISTS], measure_details)
    yield


async def details(request: web.Request) -> web.Response:
    """GET /api/stats/details."""
    asked = query(request, _DETAILS_IN)
    return await answer_of(request, DETAILS, asked["window_seconds"], asked["steps"])


routes = [web.get("/api/stats/details", details)]
