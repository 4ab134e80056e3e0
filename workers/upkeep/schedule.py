"""Makes the jobs of schedules when their time has come: looks each second, or sooner when one is due sooner."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple

import structlog

from service.db.connection import Connection
from service.db.pool import UNREACHABLE
from service.definitions.tick import Scheduler, Turn, end_wait, turn
from service.jobs.queue import Message
from workers.runtime import Runtime

log = structlog.get_logger()

LOOK_SECONDS = 1.0
CLOCK = """
SELECT clock_timestamp() AS now, extract(epoch FROM min(next_due_at) - clock_timestamp())::float8 AS seconds,
       EXISTS (SELECT FROM fires WHERE outcome = 'waiting') AS are_waiting
FROM job_definitions WHERE next_due_at IS NOT NULL
"""


class Clock(NamedTuple):
    """The database's time, in how many seconds the next schedule is due, and whether fires wait for jobs to end."""

    now: datetime
    seconds: float | None
    are_waiting: bool


async def keep_schedules(runtime: Runtime) -> None:
    """Turn after turn, until cancelled; the time is the database's."""
    scheduler = Scheduler(runtime.job_types, runtime.sealer)
    while True:
        seconds = LOOK_SECONDS
        try:
            seconds = min(seconds, await tick(runtime, scheduler))
        except UNREACHABLE as error:
            log.debug("schedules wait", action="upkeep.waits", duty="schedule", error=str(error))
        except Exception:
            log.exception("upkeep failed", action="upkeep.failed", duty="schedule")
        await asyncio.sleep(max(0.0, seconds))


async def tick(runtime: Runtime, scheduler: Scheduler, now: datetime | None = None) -> float:
    """Do what is due by `now`, or by the database's clock; answers in how many seconds to look again."""
    clock = await _clock(runtime)
    if now is not None or (clock.seconds is not None and clock.seconds <= 0):
        while brought := await _in_transaction(runtime, lambda one: turn(one, scheduler, now or clock.now)):
            runtime.system.scheduler_lag.observe(brought.lag_seconds)
            _tell(runtime, brought)
        clock = await _clock(runtime)
    if clock.are_waiting:
        while brought := await _in_transaction(runtime, lambda one: end_wait(one, scheduler)):
            _tell(runtime, brought)
    # What is still due is held by another scheduler, or of a type that this one does not know.
    return LOOK_SECONDS if clock.seconds is None or clock.seconds <= 0 else clock.seconds


async def _clock(runtime: Runtime) -> Clock:
    (row,) = await runtime.pool.fetch(CLOCK)
    return Clock(*row)


async def _in_transaction(
    runtime: Runtime, work: Callable[[Connection], Awaitable[Turn | None]]
) -> Turn | None:
    async with runtime.pool.acquire() as connection, connection.transaction():
        return await work(connection)


def _tell(runtime: Runtime, brought: Turn) -> None:
    """Offer the jobs to the workers, and log what was decided."""
    for job in brought.jobs:
        runtime.dispatcher.nudge(Message.of(job))
        runtime.dispatcher.changed(job["id"], job["tenant_id"])
    log.info("schedule fired", action="schedule.turn", definition=brought.code, **brought.outcomes)
