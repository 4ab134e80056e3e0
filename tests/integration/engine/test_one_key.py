"""F18: a thousand clients submit with one idempotency key at once."""

import asyncio
from collections import Counter

import asyncpg
import pytest
from aiohttp import ClientSession, TCPConnector


@pytest.mark.usefixtures("invariants")
@pytest.mark.fault("F18", "1,000 concurrent submits with one key")
async def test_a_thousand_submits_with_one_key_make_one_job(api: ClientSession, pool: asyncpg.Pool) -> None:
    body = {"type": "echo", "args": {"n": 1}}
    headers = {**api.headers, "Idempotency-Key": "one-key"}
    url = api._base_url
    async with ClientSession(url, connector=TCPConnector(limit=0), headers=headers) as many:

        async def submit() -> tuple[int, str, str | None]:
            async with many.post("/api/jobs", json=body) as response:
                made = await response.json()
                return response.status, made["id"], response.headers.get("Idempotency-Replayed")

        answers = await asyncio.gather(*(submit() for _ in range(1_000)))
    assert Counter(status for status, _, _ in answers) == {201: 1, 200: 999}
    assert len({job_id for _, job_id, _ in answers}) == 1
    assert all(replayed == ("true" if status == 200 else None) for status, _, replayed in answers)
    assert await pool.fetchval("SELECT count(*) FROM jobs") == 1
