"""Asking the API over HTTP, and putting jobs where a test needs them."""

from typing import Any, NamedTuple

import asyncpg
import orjson
from aiohttp import ClientSession
from multidict import CIMultiDictProxy

PROBLEM = "application/problem+json"


class Answer(NamedTuple):
    """A response that was read; `body` is None unless it is JSON."""

    status: int
    headers: CIMultiDictProxy[str]
    body: Any
    text: str


async def ask(api: ClientSession, method: str, path: str, **how: Any) -> Answer:
    """Send a request and read the answer, which is never an unexplained error."""
    async with api.request(method, path, **how) as response:
        raw = await response.read()
        body: Any = orjson.loads(raw) if raw and "json" in response.headers.get("Content-Type", "") else None
        answer = Answer(response.status, response.headers, body, raw.decode())
        assert response.status != 500, answer
        assert response.headers["X-Request-Id"]
        if response.status >= 400 and method != "HEAD":
            assert response.headers["Content-Type"] == PROBLEM, answer
            assert body["status"] == response.status
            assert body["type"] == f"/problems/{body['code']}"
            assert body["title"]
            assert body["detail"]
            assert body["instance"]
            assert ("errors" in body) == (body["code"] in ("invalid", "unknown_job_type"))
        return answer


def pointers(answer: Answer) -> list[str]:
    """Where the faults of a 422 are."""
    assert answer.status == 422, answer
    return sorted(fault["pointer"] for fault in answer.body["errors"])


PUT_INTO = """
UPDATE jobs SET
    status = $2, version = version + 1, percent_completed = CASE WHEN $2 = 'finished' THEN 100 ELSE 0 END,
    terminated_at = CASE WHEN $2 IN ('finished', 'failed', 'cancelled') THEN now() END,
    error = CASE WHEN $2 = 'failed' THEN '{"code": "odd", "message": "odd", "retryable": false}'::json END,
    lease_id = CASE WHEN $2 = 'running' THEN gen_random_uuid() END,
    lease_until = CASE WHEN $2 = 'running' THEN now() + interval '1 hour' END,
    worker_id = CASE WHEN $2 = 'running' THEN 'a worker of the test' END,
    claimed_at = CASE WHEN $2 = 'running' THEN now() END
WHERE id = $1
"""


async def put_into(pool: asyncpg.Pool, job_id: str, status: str) -> None:
    """Put a job into a state, as if a worker had."""
    await pool.execute(PUT_INTO, job_id, status)


async def key_for(
    api: ClientSession, principal: str, *roles: str, grants: tuple[str, ...] = ()
) -> dict[str, str]:
    """Headers of a new key of the tenant."""
    asked = {"name": principal, "principal": principal, "roles": list(roles), "grants": list(grants)}
    made = await ask(api, "POST", "/api/keys", json=asked)
    assert made.status == 201, made
    return {"Authorization": f"Bearer {made.body['secret']}"}


async def other_tenant(api: ClientSession, code: str = "other") -> dict[str, str]:
    """Headers of the admin key of a new tenant."""
    made = await ask(api, "POST", "/api/tenants", json={"code": code, "name": code})
    assert made.status == 201, made
    return {"Authorization": f"Bearer {made.body['admin_key']['secret']}"}
