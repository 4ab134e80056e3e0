"""Every statement that moves a job, tried on a job in every state: what they allow together is states.TRANSITIONS."""

from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import asyncpg
import pytest

from ledger import ANY, add, row_of, settlement
from service.jobs import claims, control, endings
from service.jobs.rerun import RERUN
from service.jobs.states import TRANSITIONS, Status

LEASE = uuid4()

# Whatever a statement may look at besides the status is set so that it would act.
PUT = """
UPDATE jobs SET status = $2, crashes = $3, cancel_requested_at = CASE WHEN $4 THEN now() - interval '1 hour' END,
    lease_id = CASE WHEN $2 = 'running' THEN $5::uuid END, worker_id = 'w', claimed_at = now(), claim = 1,
    lease_until = CASE WHEN $2 = 'running' THEN now() - interval '1 second' END,
    percent_completed = CASE WHEN $2 = 'finished' THEN 100 ELSE 0 END,
    error = CASE WHEN $2 = 'failed' THEN '{}'::json END,
    terminated_at = CASE WHEN $2 IN ('finished', 'failed', 'cancelled') THEN now() END
WHERE id = $1
"""

Move = Callable[[asyncpg.Pool, UUID], Awaitable[object]]


def by_a_person(statement: str) -> Move:
    async def move(pool: asyncpg.Pool, job_id: UUID) -> None:
        await pool.fetchval(statement, job_id, 1)

    return move


def by_settling(status: str) -> Move:
    async def move(pool: asyncpg.Pool, job_id: UUID) -> None:
        await endings.settle_if_held(pool, [settlement({"id": job_id, "lease_id": LEASE}, status)], [])

    return move


async def claiming(pool: asyncpg.Pool, job_id: UUID) -> None:
    await claims.claim_pending(pool, [(job_id, uuid4())], "w", 15, ANY, ["echo"])


async def rescuing(pool: asyncpg.Pool, _: UUID) -> None:
    await endings.rescue_dead(pool, 0)


async def expiring(pool: asyncpg.Pool, job_id: UUID) -> None:
    await pool.execute("UPDATE jobs SET start_by = now() - interval '1 second' WHERE id = $1", job_id)
    await endings.expire_unstarted(pool)


MOVES: dict[str, tuple[Move, frozenset[Status]]] = {
    "claim": (claiming, frozenset({Status.RUNNING})),
    "settle as finished": (by_settling("finished"), frozenset({Status.FINISHED})),
    "settle as failed": (by_settling("failed"), frozenset({Status.FAILED})),
    "settle as cancelled": (by_settling("cancelled"), frozenset({Status.CANCELLED})),
    "hand back": (by_settling("pending"), frozenset({Status.PENDING, Status.CANCELLED})),
    "rescue": (rescuing, frozenset({Status.PENDING, Status.FAILED, Status.CANCELLED})),
    "expire": (expiring, frozenset({Status.CANCELLED})),
    "cancel": (by_a_person(control.CANCEL), frozenset({Status.CANCELLED})),
    "suspend": (by_a_person(control.SUSPEND), frozenset({Status.SUSPENDED})),
    "resume": (by_a_person(control.RESUME), frozenset({Status.PENDING})),
    "rerun": (by_a_person(RERUN), frozenset({Status.PENDING})),
}


async def test_the_guards_allow_the_stated_transitions_and_no_other(pool: asyncpg.Pool) -> None:
    seen: dict[Status, set[Status]] = {status: set() for status in Status}
    for name, (move, ends) in MOVES.items():
        for start in Status:
            for crashes, cancelled in ((0, False), (2, False), (0, True)):
                job_id = await add(pool)
                await pool.execute(PUT, job_id, start, crashes, cancelled and start is Status.RUNNING, LEASE)
                await move(pool, job_id)
                end = Status((await row_of(pool, job_id))["status"])
                await pool.execute("DELETE FROM jobs WHERE id = $1", job_id)
                if end is not start:
                    assert end in ends, f"{name} led from {start} to {end}"
                    seen[start].add(end)
    assert seen == {start: set(ends) for start, ends in TRANSITIONS.items()}


@pytest.mark.parametrize("start", [Status.FINISHED, Status.FAILED, Status.CANCELLED])
async def test_what_has_ended_is_changed_by_nothing_but_a_rerun(pool: asyncpg.Pool, start: Status) -> None:
    job_id = await add(pool)
    await pool.execute(PUT, job_id, start, 0, False, LEASE)  # noqa: FBT003
    before = await row_of(pool, job_id)
    for name, (move, _) in MOVES.items():
        if name not in ("rerun", "expire"):  # expiring sets start_by for its own sake
            await move(pool, job_id)
            assert await row_of(pool, job_id) == before, name
