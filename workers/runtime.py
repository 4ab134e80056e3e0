"""The parts that one worker process shares among its jobs."""

import asyncio
import random
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import structlog

from service.db.batch import Batcher
from service.files.storage import Storage
from service.jobs import claims, endings, reports
from service.jobs.capped import CappedOffers
from service.jobs.jobtype import JobType
from service.jobs.queue import Dispatcher
from service.sealing import Sealer
from service.settings import Settings
from service.telemetry.metrics import SystemMetrics
from workers.lease import LeaseKeeper
from workers.progress import ProgressBook
from workers.turns import Turns

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SettleOrder:
    """A claim that ends, with the messages that were still unwritten."""

    settlement: endings.Settlement
    messages: list[reports.Message]


class Slots:
    """Room for so many jobs at once, and the owner of their tasks."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.wake = asyncio.Event()  # a slot came free, or a hint came in: look for work
        self._paused = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def free(self) -> int:
        """How many more jobs may start; none while they are paused."""
        return 0 if self._paused else max(0, self.size - len(self._tasks))

    @property
    def busy(self) -> int:
        """How many jobs are under way."""
        return len(self._tasks)

    def pause(self, paused: bool) -> None:  # noqa: FBT001
        """Let no further job start, or let them start again, at once."""
        self._paused = paused
        self.wake.set()

    def start(self, job: Coroutine[Any, Any, None]) -> None:
        """Run one job in a slot of its own."""
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def wait(self, seconds: float) -> bool:
        """Wait until all have ended, at most so long; answers whether they have."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        return not self._tasks

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a job's task broke; its lease will run out", action="worker.error", exc_info=error)


@dataclass(slots=True)
class Runtime:
    """Everything that run_job and upkeep need; built once by workers/main.py."""

    settings: Settings
    job_types: Mapping[str, JobType]
    worker_id: str
    tags: claims.Tags
    pool: asyncpg.Pool
    storage: Storage
    dispatcher: Dispatcher
    keeper: LeaseKeeper
    book: ProgressBook
    slots: Slots
    turns: Turns = field(default_factory=Turns)
    system: SystemMetrics = field(default_factory=SystemMetrics)
    # Why Redis took no messages in the last sweep: it may answer, and yet be full.
    refused: Exception | None = None
    walked: asyncpg.Record | None = None  # where redeliver's walk through a long queue has come to
    # When collect next looks through storage, by the monotonic clock; not at once, as many workers may start together.
    collect_at: float = field(default_factory=lambda: time.monotonic() + random.uniform(0, 600))  # noqa: S311
    sealer: Sealer = field(init=False)
    capped: CappedOffers = field(init=False)
    claiming: Batcher[tuple[UUID, UUID], asyncpg.Record | None] = field(init=False)
    settling: Batcher[SettleOrder, asyncpg.Record | None] = field(init=False)

    def __post_init__(self) -> None:
        self.sealer = Sealer(self.settings.secret_keys)
        self.capped = CappedOffers(self.pool, self.dispatcher)
        self.claiming = Batcher(self._claim, max_items=256, concurrency=2)
        self.settling = Batcher(self._settle, max_items=256, concurrency=2)

    async def claim(self, job_id: UUID) -> asyncpg.Record | None:
        """Take a job, if it is there to be taken, under a fresh lease id."""
        return await self.claiming.put((job_id, uuid4()))

    async def settle(self, order: SettleOrder) -> asyncpg.Record | None:
        """End a claim; None when it was no longer ours."""
        return await self.settling.put(order)

    async def _claim(self, wanted: list[tuple[UUID, UUID]]) -> list[asyncpg.Record | None]:
        rows = await claims.claim_pending(
            self.pool, wanted, self.worker_id, self.settings.lease_seconds, self.tags, list(self.job_types)
        )
        for row in rows:
            if row is not None:
                self.dispatcher.changed(row["id"], row["tenant_id"])
        return rows

    async def _settle(self, orders: list[SettleOrder]) -> list[asyncpg.Record | None]:
        settled = await endings.settle_if_held(
            self.pool,
            [order.settlement for order in orders],
            [line for order in orders for line in order.messages],
        )
        for row in settled.values():
            self.dispatcher.changed(row["id"], row["tenant_id"])
        return [settled.get(order.settlement.job_id) for order in orders]
