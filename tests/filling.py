"""Jobs put straight into the database, in any state and at any time, and in any number."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
from aiohttp import ClientSession
from uuid_utils.compat import uuid7

NOON = datetime(2026, 10, 22, 12, tzinfo=UTC)
REQUEST = (
    "args", "description", "category", "sub_category", "labels", "client_request_id", "correlation_id",
    "idempotency_key", "run_at", "root_id", "action", "is_scheduled",
)  # fmt: skip

PUT_JOB = """
INSERT INTO jobs OVERRIDING SYSTEM VALUE SELECT * FROM json_populate_record(NULL::jobs, $1::json)
"""
PUT_REQUEST = """
INSERT INTO job_requests SELECT * FROM json_populate_record(NULL::job_requests, $1::json)
"""
NEXT_NUMBER = "SELECT nextval(pg_get_serial_sequence('jobs', 'number'))"
FILL = """
WITH made AS (
    INSERT INTO jobs (id, tenant_id, type, status, percent_completed, due_at, created_by, created_at, updated_at,
                      started_at, terminated_at)
    SELECT gen_random_uuid(), $1, 'echo', 'finished', 100, at, 'admin', at, at, at, at
    FROM (SELECT $3::timestamptz + n / 10 * interval '1 millisecond' AS at FROM generate_series(1, $2) AS n) AS times
    RETURNING id, tenant_id
)
INSERT INTO job_requests (job_id, tenant_id, args, modified_by) SELECT id, tenant_id, '{}', 'admin' FROM made
"""


async def put(pool: asyncpg.Pool, status: str = "pending", **given: Any) -> str:
    """Put one job with these columns of jobs and job_requests; answers its id. Times may be given as datetimes."""
    job_id = str(given.pop("id", None) or uuid7())
    created = given.pop("created_at", datetime.now(UTC))
    asked = {name: given.pop(name) for name in REQUEST if name in given}
    running, ended = status == "running", status in ("finished", "failed", "cancelled")
    job = {
        "id": job_id,
        "number": await pool.fetchval(NEXT_NUMBER),
        "tenant_id": 1,
        "type": "echo",
        "queue": "default",
        "status": status,
        "priority": 1,
        "version": 1,
        "run": 1,
        "attempt": 1,
        "claim": 0,
        "crashes": 0,
        "max_attempts": 1,
        "timeout_seconds": 60,
        "due_at": created,
        "percent_completed": 100 if status == "finished" else 0,
        "created_by": "admin",
        "created_at": created,
        "updated_at": created,
        "terminated_at": created if ended else None,
        "error": {"code": "x", "message": "x", "retryable": False} if status == "failed" else None,
        **({"lease_id": uuid4(), "worker_id": "w", "claimed_at": created} if running else {}),
        **({"lease_until": datetime.now(UTC) + timedelta(hours=1), "started_at": created} if running else {}),
        **given,
    }
    request = {
        "job_id": job_id,
        "tenant_id": job["tenant_id"],
        "args": {},
        "labels": {},
        "can_rerun": True,
        "publish_link_access_scope": "private",
        "is_scheduled": False,
        "modified_by": job["created_by"],
        **asked,
    }
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(PUT_JOB, _json(job))
        await connection.execute(PUT_REQUEST, _json(request))
    return job_id


async def fill(pool: asyncpg.Pool, jobs: int, *, tenant_id: int = 1, since: datetime = NOON) -> None:
    """Put so many finished jobs, ten to a millisecond, under ids in no order."""
    await pool.execute(FILL, tenant_id, jobs, since)
    await pool.execute("ANALYZE jobs")
    await pool.execute("ANALYZE job_requests")


async def listed(api: ClientSession, query: str = "", *, path: str = "/api/jobs") -> dict[str, Any]:
    """One page of a list."""
    async with api.get(f"{path}?{query}") as response:
        page: dict[str, Any] = await response.json()
        assert response.status == 200, page
        assert ("next" in page) == ("Link" in response.headers)
        return page


async def all_pages(api: ClientSession, query: str = "") -> list[dict[str, Any]]:
    """All jobs of a list, page by page."""
    page = await listed(api, query)
    found = list(page["jobs"])
    while "next" in page:
        path, _, rest = page["next"].partition("?")
        page = await listed(api, rest, path=path)
        found += page["jobs"]
    return found


def _json(columns: dict[str, Any]) -> str:
    return orjson.dumps(columns).decode()
