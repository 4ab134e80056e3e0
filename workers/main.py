"""A worker process: start its parts, run jobs until told to stop, drain."""

import asyncio
import os
import random
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from uuid import uuid4

import structlog
from arq.connections import ArqRedis

from service.db.metric_sums import summed
from service.db.pool import UNREACHABLE, create_pool
from service.files.storage import open_storage
from service.jobs import queue
from service.jobs.claims import worker_tags
from service.jobs.jobtype import JobTypes
from service.settings import Settings
from service.telemetry.loop_lag import watch_loop
from service.telemetry.metrics import ProcessMetrics, SystemMetrics
from workers.consumer import consume
from workers.ear import listen
from workers.lease import LeaseKeeper, WorkerFacts
from workers.outcome import Stop
from workers.progress import ProgressBook
from workers.runtime import Runtime, Slots
from workers.upkeep.collect import collect
from workers.upkeep.expire import expire
from workers.upkeep.notify import notify, retire
from workers.upkeep.purge import purge
from workers.upkeep.redeliver import redeliver
from workers.upkeep.rescue import rescue
from workers.upkeep.schedule import keep_schedules
from workers.upkeep.tally import tally

log = structlog.get_logger()

VERSION = "0.1.0"
CLOSE_SECONDS = 5.0
POOL_SIZE = 12  # docs/operations.md counts them
DUTIES: tuple[Callable[[Runtime], Awaitable[None]], ...] = (
    redeliver,
    rescue,
    expire,
    purge,
    collect,
    tally,
    retire,
)


async def run_worker(settings: Settings, job_types: JobTypes) -> None:
    """Work until SIGTERM or SIGINT; then let jobs finish for the drain time, hand the rest back, and return."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await work(settings, job_types, stop)


async def work(settings: Settings, job_types: JobTypes, stop: asyncio.Event) -> None:
    """Run jobs until `stop` is set, then drain."""
    if settings.database_url is None or settings.redis_url is None:
        message = "a worker needs DATABASE_URL and REDIS_URL"
        raise ValueError(message)
    worker_id = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
    facts = WorkerFacts(
        worker_id, list(settings.worker_tags), sorted(job_types), settings.worker_concurrency, VERSION
    )
    slots = Slots(settings.worker_concurrency)
    system = SystemMetrics()
    process = ProcessMetrics(system.registry, "worker")
    pool = await create_pool(
        settings.database_url, size=POOL_SIZE, application="lavori worker", on_wait=process.pool_wait.observe
    )
    redis = queue.connect(settings.redis_url)
    dispatcher = queue.Dispatcher(redis)
    try:
        async with (
            summed(pool, system.registry),
            LeaseKeeper(settings.database_url, facts, settings.lease_seconds, slots.pause) as keeper,
        ):
            runtime = Runtime(
                settings=settings,
                job_types=job_types,
                worker_id=worker_id,
                tags=worker_tags(settings.worker_tags),
                pool=pool,
                storage=open_storage(settings.storage_url),
                dispatcher=dispatcher,
                keeper=keeper,
                book=ProgressBook(pool, dispatcher.changed, keeper.clock),
                slots=slots,
                system=system,
            )
            await _work(runtime, queue.connect(settings.redis_url), stop, process)
    finally:
        await dispatcher.close()
        with suppress(TimeoutError):  # a job that was abandoned may hold a connection for ever
            async with asyncio.timeout(CLOSE_SECONDS):
                await pool.close()


async def _work(runtime: Runtime, redis: ArqRedis, stop: asyncio.Event, process: ProcessMetrics) -> None:
    log.info(
        "worker started", action="worker.started", worker=runtime.worker_id, concurrency=runtime.slots.size
    )
    async with asyncio.TaskGroup() as parts:
        feeding = parts.create_task(consume(runtime, redis))
        others = [parts.create_task(listen(runtime, redis)), parts.create_task(runtime.book.run())]
        others.append(parts.create_task(watch_loop(process.loop_lag.observe)))
        others.append(parts.create_task(keep_schedules(runtime)))
        others += [parts.create_task(_sweep(runtime, duty)) for duty in DUTIES]
        notifying = parts.create_task(notify(runtime, stop))
        others.append(notifying)
        await stop.wait()
        await _end([feeding])
        await _drain(runtime)
        await runtime.capped.join()
        await asyncio.wait({notifying}, timeout=CLOSE_SECONDS)
        await _end(others)
    await redis.aclose(close_connection_pool=True)
    log.info("worker stopped", action="worker.stopped", worker=runtime.worker_id)


async def _end(parts: Sequence[asyncio.Task[None]]) -> None:
    """Cancel until all have ended: a library that fails while it is cancelled may hide the cancellation once."""
    pending = set(parts)
    while pending:
        for part in pending:
            part.cancel()
        _, pending = await asyncio.wait(pending, timeout=1)


async def _drain(runtime: Runtime) -> None:
    """Let jobs finish for the drain time, then hand back what still runs: it starts elsewhere at once."""
    runtime.keeper.ending = True
    log.info("draining", action="worker.draining", worker=runtime.worker_id, jobs=runtime.slots.busy)
    if not await runtime.slots.wait(runtime.settings.drain_seconds):
        runtime.keeper.stop_all(Stop.SHUTDOWN)
        await runtime.slots.wait(runtime.settings.cancel_grace_seconds + 5)


async def _sweep(runtime: Runtime, duty: Callable[[Runtime], Awaitable[None]]) -> None:
    """Do one duty of upkeep each sweep, at times of its own so that workers don't march in step."""
    while True:
        try:
            await duty(runtime)
        except (*UNREACHABLE, *queue.REDIS_ERRORS) as error:
            log.debug(
                "upkeep waits",
                action="upkeep.waits",
                duty=duty.__name__,
                error=f"{type(error).__name__}: {error}",
            )
        except Exception:
            log.exception("upkeep failed", action="upkeep.failed", duty=duty.__name__)
        await asyncio.sleep(runtime.settings.sweep_seconds * random.uniform(0.8, 1.0))  # noqa: S311
