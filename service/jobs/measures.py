"""The numbers of GET /api/stats.

The counts are exact at any size: schema.sql tallies jobs as statements change them. Throughput counts the ends within
the window; when those are more than 100,000, it is the pace of the latest 100,000. Wait and run percentiles are those
of the latest 10,000 ends within the window. Who may not read all jobs is told of their own alone, the newest 10,000.
"""

from collections import Counter
from typing import Any

import orjson

from service.db.connection import Connection
from service.jobs.pages import shared_definitions
from service.jobs.states import Status
from service.jobs.workers import live_workers

MOST_ENDS = 100_000

TALLY = """
SELECT status, type, queue, sum(jobs)::bigint AS jobs FROM job_tallies WHERE tenant_id = $1
GROUP BY status, type, queue HAVING sum(jobs) > 0
"""

ENDS = """
SELECT count(*) AS ends, extract(epoch FROM now() - min(terminated_at))::float8 AS span
FROM (SELECT terminated_at FROM jobs
      WHERE tenant_id = $1 AND terminated_at > now() - make_interval(secs => $2)
      ORDER BY terminated_at DESC LIMIT 100000) AS latest
"""

# A retry puts due_at behind the start, so the wait of such a job is not known any more.
TIMES = """
SELECT percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - due_at))
           FILTER (WHERE due_at <= started_at) AS wait,
       percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM terminated_at - started_at))
           FILTER (WHERE started_at IS NOT NULL) AS run
FROM (SELECT due_at, started_at, terminated_at FROM jobs
      WHERE tenant_id = $1 AND terminated_at > now() - make_interval(secs => $2)
      ORDER BY terminated_at DESC LIMIT 10000) AS latest
"""

OLDEST = """
SELECT extract(epoch FROM now() - min(first.due_at))::float8
FROM generate_series(0, 4) AS class(priority) CROSS JOIN LATERAL (
    SELECT due_at FROM jobs
    WHERE status = 'pending' AND jobs.priority = class.priority AND due_at <= now() AND tenant_id = $1
    ORDER BY due_at LIMIT 1) AS first
"""

OWN = """
WITH own AS MATERIALIZED (
    SELECT status, type, queue, due_at, started_at, terminated_at,
           coalesce(terminated_at > now() - make_interval(secs => $4), false) AS ended
    FROM jobs
    WHERE tenant_id = $1
      AND (created_by = $2
           OR ($3::text[] IS NOT NULL AND definition = ANY ($3) AND EXISTS (
                 SELECT FROM job_definitions AS shared
                 WHERE (shared.tenant_id, shared.code) = (jobs.tenant_id, jobs.definition)
                   AND shared.created_at <= jobs.created_at)))  -- not of a former definition of that code
    ORDER BY created_at DESC, id DESC LIMIT 10000
), tally AS (
    SELECT status, type, queue, count(*) AS jobs FROM own GROUP BY status, type, queue
)
SELECT (SELECT json_agg(tally) FROM tally) AS tally,
       count(*) FILTER (WHERE ended) AS ends,
       percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - due_at))
           FILTER (WHERE ended AND due_at <= started_at) AS wait,
       percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM terminated_at - started_at))
           FILTER (WHERE ended AND started_at IS NOT NULL) AS run,
       extract(epoch FROM now() - min(due_at) FILTER (WHERE status = 'pending' AND due_at <= now()))::float8 AS oldest
FROM own
"""


async def measure(connection: Connection, tenant_id: int, window: int, reader: str | None) -> dict[str, Any]:
    """The envelope of the contract, of all jobs of the tenant (`reader` None), or of those that the reader may see."""
    numbers = (
        await _of_all(connection, tenant_id, window)
        if reader is None
        else await _of_own(connection, tenant_id, window, reader)
    )
    return {"window_seconds": window, **numbers, "workers": await live_workers(connection)}


async def _of_all(connection: Connection, tenant_id: int, window: int) -> dict[str, Any]:
    counts = _counts(await connection.fetch(TALLY, tenant_id))
    (ends,) = await connection.fetch(ENDS, tenant_id, window)
    (times,) = await connection.fetch(TIMES, tenant_id, window)
    # With none waiting, the search for the oldest would walk through all that other tenants have waiting.
    waits = counts["by_status"][Status.PENDING] > 0
    oldest = await connection.fetchval(OLDEST, tenant_id) if waits else None
    span = window if ends["ends"] < MOST_ENDS else max(ends["span"], 1.0)
    return {**counts, **_pace(ends["ends"] / span, times["wait"], times["run"], oldest)}


async def _of_own(connection: Connection, tenant_id: int, window: int, reader: str) -> dict[str, Any]:
    codes = await shared_definitions(connection, tenant_id, reader) or None
    (own,) = await connection.fetch(OWN, tenant_id, reader, codes, window)
    counts = _counts(orjson.loads(own["tally"] or "[]"))
    return {**counts, **_pace(own["ends"] / window, own["wait"], own["run"], own["oldest"])}


def _counts(rows: list[Any]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {"status": Counter(), "type": Counter(), "queue": Counter()}
    for row in rows:
        for name, counter in counts.items():
            counter[row[name]] += row["jobs"]
    return {
        "by_status": {status.value: counts["status"][status] for status in Status},
        "by_type": dict(sorted(counts["type"].items())),
        "by_queue": dict(sorted(counts["queue"].items())),
    }


def _pace(
    ends_a_second: float, wait: list[float] | None, run: list[float] | None, oldest: float | None
) -> dict[str, Any]:
    return {
        "throughput_per_minute": round(ends_a_second * 60, 3),
        "wait_seconds": _percentiles(wait),
        "run_seconds": _percentiles(run),
        "oldest_waiting_seconds": None if oldest is None else round(oldest, 3),
    }


def _percentiles(values: list[float] | None) -> dict[str, float | None]:
    p50, p95 = (round(value, 3) for value in values) if values else (None, None)
    return {"p50": p50, "p95": p95}
