"""Leases: how the world knows that this worker lives, and how this worker learns that it must stop.

The keeper beats in a thread of its own with a connection of its own: a coroutine that keeps the event loop busy
starves neither the heartbeat nor, through it, the other jobs of the process. Twice a second, or at once on a hint, it
asks which of its jobs somebody wants cancelled, so cancellation arrives within a second even while Redis is away; a
quarter into each lease it renews it.

A beat also tells whether an operator has ordered this worker to drain. It is read when a beat is due, or at once on a
hint; while the order stands it is read twice a second, so that taking it back is heard without Redis too.

A worker that can't reach PostgreSQL gives its jobs up before their leases end: by then somebody else may run them.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from uuid import UUID

import asyncpg
import structlog

from service.db.clock import DatabaseClock
from service.jobs import leases
from workers.outcome import Stop

log = structlog.get_logger()

TURN_SECONDS = 0.5
BEAT_SECONDS = (
    3.75  # at most: whoever counts workers (stats, explain, types) takes 15 silent seconds for death
)
RENEW_AFTER = 0.25  # of the lease
GIVE_UP_AFTER = 0.8  # of the lease


class LeaseLost(Exception):
    """The claim is no longer ours: whatever this attempt would write is void."""


class Lease:
    """One claim that this process holds; `stopped` tells its job why to stop."""

    __slots__ = ("claimed_at", "job_id", "lease_id", "lost", "renewed_at", "stopped", "tenant_id")

    def __init__(self, job_id: UUID, tenant_id: int, lease_id: UUID, claimed_at: float) -> None:
        """Take over a claim that was asked for at `claimed_at` (monotonic seconds)."""
        self.job_id = job_id
        self.tenant_id = tenant_id
        self.lease_id = lease_id
        self.claimed_at = self.renewed_at = claimed_at
        self.stopped: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()
        self.lost = False  # nothing may be written any more

    def stop(self, why: Stop) -> None:
        """Tell the job to stop; the first reason is the one it is told."""
        self.lost = self.lost or why is Stop.LEASE_LOST
        if not self.stopped.done():
            self.stopped.set_result(why)


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """What the table `workers` says of this process."""

    id: str
    tags: Sequence[str]
    types: Sequence[str]
    concurrency: int
    version: str


class LeaseKeeper:
    """Keeps this process's leases alive from its own thread; a context manager of the loop that runs the jobs."""

    def __init__(
        self, dsn: str, facts: WorkerFacts, lease_seconds: float, pause: Callable[[bool], None]
    ) -> None:
        """`pause` is called, in the loop that runs the jobs, whenever an order to drain is given or taken back."""
        self._dsn = dsn
        self._facts = facts
        self._lease_seconds = lease_seconds
        self._pause = pause
        self._held: dict[UUID, Lease] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="leases", daemon=True)
        self._beaten_at = float("-inf")
        self._beat_wanted = False
        self._ordered_to_drain = False
        self._own_loop: asyncio.AbstractEventLoop | None = None
        self._hint = asyncio.Event()  # of the thread's own loop
        self.ending = False
        self.clock = DatabaseClock()  # told by each beat

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._turn_now()
        await asyncio.to_thread(self._thread.join)

    def hold(self, lease: Lease) -> None:
        """Keep this lease alive from now on."""
        self._held[lease.lease_id] = lease

    def drop(self, lease: Lease) -> None:
        """The claim has ended."""
        self._held.pop(lease.lease_id, None)

    def look(self, job_id: UUID) -> None:
        """See at once whether somebody wants this job cancelled, if it runs here: a hint alone stops nothing."""
        if any(lease.job_id == job_id for lease in self._held.values()):
            self._turn_now()

    def beat_now(self) -> None:
        """Read at once what this worker is ordered to do."""
        self._beat_wanted = True
        self._turn_now()

    def stop_all(self, why: Stop) -> None:
        """Stop every job of this process."""
        for lease in list(self._held.values()):
            lease.stop(why)

    def _turn_now(self) -> None:
        if self._own_loop is not None:
            with suppress(RuntimeError):  # the thread has just ended
                self._own_loop.call_soon_threadsafe(self._hint.set)

    def _tell(self, lease: Lease, why: Stop) -> None:
        if not self._closing.is_set():
            with suppress(RuntimeError):  # the loop has just closed: nobody is left to be told
                self._loop.call_soon_threadsafe(lease.stop, why)

    def _beat(self) -> None:
        asyncio.run(self._keep())

    async def _keep(self) -> None:
        self._own_loop = asyncio.get_running_loop()
        connection: asyncpg.Connection | None = None
        while not self._closing.is_set():
            began = time.monotonic()
            self._hint.clear()
            try:
                if connection is None or connection.is_closed():
                    connection = await asyncpg.connect(
                        self._dsn, timeout=3, command_timeout=max(1.0, self._lease_seconds / 4)
                    )
                await self._turn(connection)
            except Exception as error:  # noqa: BLE001 - whatever it is, this thread must live: the leases hang on it
                log.warning(
                    "leases can't be renewed",
                    action="lease.beat_failed",
                    error=f"{type(error).__name__}: {error}",
                )
                if connection is not None:
                    connection.terminate()
                    connection = None
            self._give_up_what_is_late()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.05, TURN_SECONDS - (time.monotonic() - began))):
                    await self._hint.wait()
        if connection is not None:
            connection.terminate()

    async def _turn(self, connection: asyncpg.Connection) -> None:
        now = time.monotonic()
        is_due = now - self._beaten_at >= min(self._lease_seconds / 4, BEAT_SECONDS)
        if is_due or self._beat_wanted or self._ordered_to_drain or self.ending:
            self._beat_wanted = False
            facts = self._facts
            heard = await leases.beat(
                connection, facts.id, facts.tags, facts.types, facts.concurrency, facts.version, self.ending
            )
            self.clock.told(heard.now, now)
            self._beaten_at = now
            self._obey(heard.drain)
        held = list(self._held.values())
        if not held:
            return
        flagged = await leases.cancel_requests(connection, [lease.job_id for lease in held])
        for lease in held:
            if lease.lease_id in flagged:
                self._tell(lease, Stop.CANCELLED)
        if all(now - lease.renewed_at < self._lease_seconds * RENEW_AFTER for lease in held):
            return
        # All together: so the lease of the job that was claimed last never ends before another (endings.RESCUE).
        alive = await leases.renew_leases(
            connection, [(lease.job_id, lease.lease_id) for lease in held], self._lease_seconds
        )
        for lease in held:
            if lease.lease_id in alive:
                lease.renewed_at = now
            elif lease.lease_id in self._held:  # else it was settled meanwhile
                log.warning("lease lost", action="lease.lost", job_id=str(lease.job_id))
                self._tell(lease, Stop.LEASE_LOST)

    def _obey(self, drain: bool) -> None:  # noqa: FBT001
        if drain == self._ordered_to_drain or self._closing.is_set():
            return
        self._ordered_to_drain = drain
        if drain:
            log.info("ordered to drain", action="worker.drain_ordered", worker=self._facts.id)
        else:
            log.info("ordered to take jobs again", action="worker.resumed", worker=self._facts.id)
        with suppress(RuntimeError):  # the loop has just closed: nobody is left to be told
            self._loop.call_soon_threadsafe(self._pause, drain)

    def _give_up_what_is_late(self) -> None:
        too_late = time.monotonic() - self._lease_seconds * GIVE_UP_AFTER
        for lease in list(self._held.values()):
            if lease.renewed_at < too_late:
                self._tell(lease, Stop.LEASE_LOST)
