"""Hints by Redis' pub/sub: look for work, whether a job is to stop, or what this worker is ordered to do.

Deaf ears cost milliseconds, or seconds of an order, not correctness.
"""

import asyncio
from uuid import UUID

import structlog
from arq.connections import ArqRedis

from service.jobs import queue
from workers.runtime import Runtime

log = structlog.get_logger()

AGAIN_SECONDS = 1.0


async def listen(runtime: Runtime, redis: ArqRedis) -> None:
    """Hear hints until cancelled; subscribe again whenever Redis comes back."""
    while True:
        try:
            async with redis.pubsub() as pubsub:
                await pubsub.subscribe(queue.WAKE, queue.CANCEL, queue.ORDER)
                while True:
                    hint = await pubsub.get_message(timeout=30)
                    if hint is None:
                        await pubsub.ping()
                    elif hint["type"] == "subscribe":  # what came while deaf
                        runtime.slots.wake.set()
                        runtime.keeper.beat_now()
                    elif hint["channel"] == queue.CANCEL.encode():
                        _cancel(runtime, hint["data"])
                    elif hint["channel"] == queue.ORDER.encode():
                        if hint["data"] == runtime.worker_id.encode():
                            runtime.keeper.beat_now()
                    else:
                        runtime.slots.wake.set()
        except queue.REDIS_ERRORS as error:
            log.debug("not listening", action="queue.deaf", error=f"{type(error).__name__}: {error}")
        except Exception:
            # A client of Redis in a state that it did not foresee is no reason for a worker to end.
            log.exception("not listening", action="queue.deaf_unexpectedly")
        await asyncio.sleep(AGAIN_SECONDS)


def _cancel(runtime: Runtime, data: bytes) -> None:
    try:
        job_id = UUID(data.decode())
    except ValueError:
        log.warning("foreign hint dropped", action="queue.foreign", data=repr(data[:50]))
        return
    runtime.keeper.look(job_id)
