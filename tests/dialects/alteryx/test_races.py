"""Alteryx: 500 jobs are deleted just as a worker takes them; each answer is true."""

import asyncio
from collections import Counter

import asyncpg
from aiohttp import ClientSession

from alteryx_asking import JOBS, ask_alteryx
from asking import ask
from service.dialects.alteryx import wire

JOBS_AT_ONCE = 500


async def test_each_answer_to_a_delete_is_true(
    api: ClientSession, pool: asyncpg.Pool, worker: object
) -> None:
    job = {"type": "sleep", "args": {"seconds": 30, "steps": 300}}
    told: dict[str, tuple[int, str]] = {}

    async def race(part: int) -> None:
        made = await ask(api, "POST", "/api/jobs/batch", json=[job] * 20)
        await asyncio.sleep(part % 5 * 0.004)  # a worker starts within milliseconds: before, meanwhile, after

        async def delete(job_id: str) -> None:
            answer = await ask_alteryx(api, "DELETE", f"{JOBS}/{job_id}")
            told[job_id] = answer.status, answer.body["message"]

        await asyncio.gather(*(delete(one["job"]["id"]) for one in made.body))

    for part in range(JOBS_AT_ONCE // 20):
        await race(part)
    assert len(told) == JOBS_AT_ONCE
    async with asyncio.timeout(20):
        while await pool.fetchval("SELECT count(*) FROM jobs WHERE status IN ('pending', 'running')"):
            await asyncio.sleep(0.05)
    left = {str(row["id"]): row for row in await pool.fetch("SELECT id, status, claim FROM jobs")}
    outcomes = Counter(told.values())
    assert outcomes.keys() <= {(200, wire.DELETED), (200, wire.CANCELLED)}, outcomes
    for job_id, (_, message) in told.items():
        if message == wire.DELETED:
            assert job_id not in left
        else:
            assert (left[job_id]["status"], left[job_id]["claim"]) == ("cancelled", 1)
    claimed = {str(row["job_id"]) for row in await pool.fetch("SELECT job_id FROM attempts")}
    assert claimed == {job_id for job_id, (_, message) in told.items() if message == wire.CANCELLED}
    assert min(outcomes[200, wire.DELETED], outcomes[200, wire.CANCELLED]) > 0, outcomes
