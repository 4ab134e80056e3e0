"""Whatever is done to jobs, in whatever order, the invariants hold: a state machine over real PostgreSQL.

Hypothesis makes the orders, and shrinks one that breaks an invariant to the shortest that still does. The statements
are the engine's own; only the moves that HTTP would make (cancel, rerun, …) are made with control.py's and rerun.py's
statements.
"""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from fault_lab.checker import breaches
from fault_lab.ledger_of import read_ledger, watch
from fault_lab.seen import Answered, History
from ledger import claim, lose_lease, new_job, row_of, settle
from service.db.pool import create_pool
from service.definitions.tick import Scheduler, turn
from service.jobs import control, leases
from service.jobs.endings import rescue_dead
from service.jobs.jobtype import load_job_types
from service.jobs.reports import Report, report_if_held
from service.jobs.rerun import RERUN
from service.jobs.store import insert_jobs
from service.sealing import Sealer

NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)
FULL = os.environ.get("LAVORI_FAULTS") == "full"
SIZE = settings(
    max_examples=1_000 if FULL else 15,
    stateful_step_count=60 if FULL else 30,
    deadline=None,
    derandomize=not FULL,
    suppress_health_check=list(HealthCheck),
)

DEFINE = """
INSERT INTO job_definitions (id, tenant_id, code, type, name, schedule, walked_at, next_run_at, next_due_at, created_by)
VALUES (gen_random_uuid(), 1, 'often', 'echo', 'often', $1, $2, $2, $2, 'admin')
"""
SCHEDULE = (
    '{"cron": "* * * * *", "timezone": "UTC", "enabled": true, "misfire": "all", "overlap": "allow", '
    '"dst_gap": "shift", "dst_fold": "first", "jitter_seconds": 0, "start_at": null, "end_at": null}'
)
EMPTY = """
TRUNCATE jobs, job_requests, idempotency_keys, attempts, job_messages, job_checkpoints, outputs, fires, job_definitions,
         witnessed, effects, outbox, workers CASCADE
"""


class Engine(RuleBasedStateMachine):
    """Jobs, the claims that workers believe they hold, and what was seen of them."""

    pool: ClassVar[asyncpg.Pool]
    runner: ClassVar[asyncio.Runner]
    folder: ClassVar[Path]
    jobs = Bundle[UUID]("jobs")
    claims = Bundle[Any]("claims")

    @initialize()
    def empty(self) -> None:
        self.history = History()
        self.now = NOON
        self.runner.run(self.pool.execute(EMPTY))
        self.runner.run(self.pool.execute(DEFINE, SCHEDULE, NOON))

    @rule(target=jobs, key=st.sampled_from([None, "a", "b"]), attempts=st.integers(1, 3))
    def submit(self, key: str | None, attempts: int) -> UUID:
        digest = key.encode() if key else None
        job = new_job(max_attempts=attempts, idempotency_key=key, digest=digest, request_hash=digest)
        (made,) = self.runner.run(insert_jobs(self.pool, [job]))
        job_id: UUID = job.id
        if made is None:
            job_id = self.runner.run(
                self.pool.fetchval("SELECT job_id FROM idempotency_keys WHERE digest = $1", digest)
            )
        self.history.answers.append(Answered(1, "submit", 201 if made else 200, 0.0, key, (job_id,)))
        return job_id

    @rule(target=claims, job_id=jobs, worker=st.sampled_from("ab"))
    def claim(self, job_id: UUID, worker: str) -> Any:
        before = self.runner.run(row_of(self.pool, job_id))
        row = self.runner.run(claim(self.pool, job_id, worker))
        assert row is None or before["status"] == "pending"
        return multiple() if row is None else row

    @rule(held=claims)
    def heartbeat(self, held: Any) -> None:
        before = self.runner.run(row_of(self.pool, held["id"]))
        kept = self.runner.run(self._renew(held))
        assert bool(kept) == (before["lease_id"] == held["lease_id"])

    @rule(held=claims, percent=st.integers(0, 99))
    def report(self, held: Any, percent: int) -> None:
        report = Report(held["id"], held["lease_id"], percent, None, None, 0)
        self.runner.run(report_if_held(self.pool, [report], []))

    @rule(held=claims)
    def expire(self, held: Any) -> None:
        """The worker has been silent for too long, and somebody sweeps."""
        row = self.runner.run(row_of(self.pool, held["id"]))
        if row["lease_id"] == held["lease_id"]:
            self.runner.run(lose_lease(self.pool, held["id"]))
        self.runner.run(rescue_dead(self.pool, 10))

    @rule(
        held=claims,
        status=st.sampled_from(["finished", "failed", "cancelled", "pending"]),
        counts=st.booleans(),
    )
    def finish(self, held: Any, status: str, counts: bool) -> None:  # noqa: FBT001
        """End a claim, perhaps one that was lost long ago, or that has ended before."""
        before = self.runner.run(row_of(self.pool, held["id"]))
        is_held = before["lease_id"] == held["lease_id"]
        row = self.runner.run(settle(self.pool, held, status, next_attempt=counts and status == "pending"))
        assert (row is not None) == is_held
        if not is_held:
            assert self.runner.run(row_of(self.pool, held["id"])) == before

    @rule(job_id=jobs)
    def cancel(self, job_id: UUID) -> None:
        self.runner.run(self.pool.fetch(control.CANCEL, job_id, 1))

    @rule(job_id=jobs)
    def suspend(self, job_id: UUID) -> None:
        self.runner.run(self.pool.fetch(control.SUSPEND, job_id, 1))

    @rule(job_id=jobs)
    def resume(self, job_id: UUID) -> None:
        self.runner.run(self.pool.fetch(control.RESUME, job_id, 1))

    @rule(job_id=jobs)
    def rerun(self, job_id: UUID) -> None:
        self.runner.run(self.pool.fetch(RERUN, job_id, 1))

    @rule(minutes=st.integers(0, 3), twice=st.booleans())
    def schedule(self, minutes: int, twice: bool) -> None:  # noqa: FBT001
        """A scheduler looks, or two do at once."""
        self.now += timedelta(minutes=minutes)
        self.runner.run(self._turns_of(1 + twice))

    async def _renew(self, held: asyncpg.Record) -> set[UUID]:
        async with self.pool.acquire() as connection:
            return await leases.renew_leases(connection, [(held["id"], held["lease_id"])], 15)

    async def _turns_of(self, schedulers: int) -> None:
        await asyncio.gather(*(self._turns() for _ in range(schedulers)))

    async def _turns(self) -> None:
        scheduler = Scheduler(load_job_types(()), Sealer(("a-secret-key-for-the-tests-of-32-bytes",)))
        while True:
            async with self.pool.acquire() as connection, connection.transaction():
                if await turn(connection, scheduler, self.now) is None:
                    return

    @invariant()
    def nothing_is_broken(self) -> None:
        if hasattr(self, "history"):
            ledger = self.runner.run(read_ledger(self.pool, self.folder))
            assert breaches(self.history, [], ledger) == []


@pytest.mark.fault(
    "G5", "submit, claim, heartbeat, report, expire, finish, cancel, rerun and schedule in any order"
)
def test_whatever_the_order_the_invariants_hold(database_url: str, tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        Engine.runner = runner
        Engine.folder = tmp_path
        Engine.pool = runner.run(create_pool(database_url, size=4, application="tests"))
        try:
            runner.run(watch(Engine.pool))
            run_state_machine_as_test(Engine, settings=SIZE)
        finally:
            runner.run(Engine.pool.close())
