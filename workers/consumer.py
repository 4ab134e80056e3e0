"""Taking messages from arq's queue: by priority, all free slots in one call, and within milliseconds of a hint.

This is an arq Worker with its polling replaced, because stock arq (0.28) sleeps half a second between polls,
takes one job in four round trips, knows no priorities, and stands still while a hundred jobs run elsewhere.
tests/integration/test_consumer.py holds the overridden parts against arq's own, so that a new arq cannot
change them unseen.

Nothing is kept in Redis about a job that runs: its lease in PostgreSQL says that. A worker that dies between
taking a message and claiming its job loses a hint, which redeliver offers again.
"""

import asyncio
from contextlib import suppress
from typing import Any
from uuid import UUID

import orjson
import structlog
from arq import func
from arq.connections import ArqRedis
from arq.jobs import DeserializationError, deserialize_job_raw
from arq.worker import Worker

from service.jobs import claims, queue
from service.jobs.lanes import AGING_MS, TAKE
from workers.run_job import run_job
from workers.runtime import Runtime

log = structlog.get_logger()

POLL_SECONDS = 0.5
WITHOUT_REDIS_SECONDS = 1.0
CLAIM_PAUSE_SECONDS = 0.1  # so that not each job's end sorts the whole queue


class Consumer(Worker):
    """An arq worker whose jobs run in the runtime's slots, and outlive the loss of Redis."""

    def __init__(self, runtime: Runtime, redis: ArqRedis) -> None:
        super().__init__(
            functions=[func(run_job, name=queue.FUNCTION)],
            queue_name=queue.LANE.format(priority=1, tag=""),
            redis_pool=redis,
            handle_signals=False,
            max_jobs=runtime.slots.size,
            keep_result=0,
            ctx={"runtime": runtime},
            job_serializer=orjson.dumps,
            job_deserializer=orjson.loads,
        )
        self._runtime = runtime
        self._slots = runtime.slots
        self._keeper = runtime.keeper
        self._tags = runtime.tags
        self._take = redis.register_script(TAKE)

    async def main(self) -> None:
        """Take and start jobs until cancelled, or until Redis is gone or takes nothing more (queue.REDIS_ERRORS)."""
        while True:
            if self._runtime.refused is not None:
                raise self._runtime.refused
            self._slots.wake.clear()
            due_in = await self._take_messages() if self._slots.free else POLL_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(due_in):
                    await self._slots.wake.wait()

    async def _take_messages(self) -> float:
        """Fill the free slots; answers for how many seconds there is nothing more to take."""
        free = self._slots.free
        tags = self._tags
        answer: list[Any] = await self._take(
            args=[
                self._keeper.clock.milliseconds(),
                free,
                AGING_MS,
                int(tags.any_tag),
                int(tags.only_tagged),
                *tags.named,
            ]
        )
        for name, payload in zip(answer[1::2], answer[2::2], strict=True):
            self._start(name.decode(errors="replace"), payload)
        if len(answer) > 2 * free:
            return 0.0
        return POLL_SECONDS if answer[0] < 0 else min(POLL_SECONDS, answer[0] / 1000)

    def _start(self, name: str, payload: bytes) -> None:
        try:
            function, args, kwargs, _, _ = deserialize_job_raw(payload, deserializer=self.job_deserializer)
            called = self.functions[function]
            (job_id,) = args
            job = called.coroutine(self.ctx, str(UUID(job_id)), **kwargs)
        except (DeserializationError, LookupError, TypeError, ValueError, AttributeError) as error:
            # A foreign message, whatever its shape, is logged and never executed.
            log.warning(
                "foreign message dropped",
                action="queue.foreign",
                message=name[:100],
                error=type(error).__name__,
            )
        else:
            self._slots.start(job)


async def consume(runtime: Runtime, redis: ArqRedis) -> None:
    """Feed the slots for ever: from arq while Redis is there, else straight from PostgreSQL."""
    consumer = Consumer(runtime, redis)
    away = False
    while True:
        try:
            await queue.probe(redis)
            runtime.refused = None
            if away:
                log.info("redis is back", action="queue.back")
                away = False
            await consumer.main()
        except Exception as error:  # whatever the client of Redis met, PostgreSQL knows what waits
            if not away:
                log.warning(
                    "redis is away; claiming from PostgreSQL",
                    action="queue.away",
                    error=f"{type(error).__name__}: {error}",
                    exc_info=None if isinstance(error, queue.REDIS_ERRORS) else error,
                )
                away = True
            await _claim_until_back(runtime, redis, consumer.ctx)


async def _claim_until_back(runtime: Runtime, redis: ArqRedis, ctx: dict[Any, Any]) -> None:
    """Feed the slots from PostgreSQL until Redis takes messages again; one that hangs holds nothing up."""
    back = asyncio.create_task(_until_back(redis))
    back.add_done_callback(lambda _: runtime.slots.wake.set())
    try:
        while not back.done():
            await _claim_directly(runtime, ctx)
    finally:
        back.cancel()


async def _until_back(redis: ArqRedis) -> None:
    while True:
        await asyncio.sleep(WITHOUT_REDIS_SECONDS)
        with suppress(*queue.REDIS_ERRORS):
            await queue.probe(redis)
            return


async def _claim_directly(runtime: Runtime, ctx: dict[Any, Any]) -> None:
    """One turn without Redis: start what is due, most urgent first; the claim itself settles who gets it."""
    slots = runtime.slots
    slots.wake.clear()
    try:
        due = (
            await claims.next_jobs(runtime.pool, slots.free, runtime.tags, list(runtime.job_types))
            if slots.free
            else []
        )
    except Exception as error:  # noqa: BLE001 - PostgreSQL may be away too: the next turn tries again
        log.warning(
            "nothing can be claimed", action="queue.claim_failed", error=f"{type(error).__name__}: {error}"
        )
        due = []
    for row in due:
        slots.start(run_job(ctx, str(row["id"])))
    await asyncio.sleep(CLAIM_PAUSE_SECONDS)
    with suppress(TimeoutError):
        async with asyncio.timeout(WITHOUT_REDIS_SECONDS):
            await slots.wake.wait()
