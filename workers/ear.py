"""Hints by Redis' pub/sub: look for work, or whether a job is to stop. Deaf ears cost milliseconds, not correctness."""

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
            async with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                await pubsub.subscribe(queue.WAKE, queue.CANCEL)
                runtime.slots.wake.set()  # what came while deaf
                while True:
                    hint = await pubsub.get_message(timeout=30)
                    if hint is None:
                        await pubsub.ping()
                    elif hint["channel"] == queue.CANCEL.encode():
                        _cancel(runtime, hint["data"])
                    else:
                        runtime.slots.wake.set()
        except queue.REDIS_ERRORS as error:
            log.debug("not listening", action="queue.deaf", error=f"{type(error).__name__}: {error}")
        await asyncio.sleep(AGAIN_SECONDS)


def _cancel(runtime: Runtime, data: bytes) -> None:
    try:
        job_id = UUID(data.decode())
    except ValueError:
        log.warning("foreign hint dropped", action="queue.foreign", data=repr(data[:50]))
        return
    runtime.keeper.look(job_id)
