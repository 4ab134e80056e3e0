"""The one arq function, a pipeline on one page: claim → resolve → run → decide → settle."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from traceback import format_exception
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import structlog
from uuid_utils.compat import uuid7

from service.db.pool import UNREACHABLE
from service.errors import LavoriError
from service.jobs import queue
from service.jobs.claims import CRASHES_ALLOWED, PROBATION_SECONDS
from service.jobs.endings import Settlement
from service.jobs.jobtype import JobFailed, JobType
from service.jobs.secret_args import place_of, secret_texts
from service.jobs.states import Status
from service.sealing import Unsealable
from service.telemetry.logs import bind, bind_more
from service.telemetry.trace import trace_id_of
from service.web.encoding import dumps
from service.web.payload import load, parse_json
from workers.context import JobContext
from workers.discretion import Discretion
from workers.fetch import fetch_attachment
from workers.lease import Lease, LeaseLost
from workers.outcome import Ending, Failure, Outcome, Stop, decide
from workers.progress import Entry, clean
from workers.runtime import Runtime, SettleOrder
from workers.traced import attempt_span, end_attempt
from workers.upkeep.redeliver import redeliver

log = structlog.get_logger()
T = TypeVar("T")

SETTLE_AGAIN_SECONDS = 0.5


async def run_job(ctx: dict[str, Any], job_id: str) -> None:
    """Run one job, if it is there to be run: a message is a hint, and a stale one is done at once."""
    runtime: Runtime = ctx["runtime"]
    asked_at = time.monotonic()
    try:
        row = await runtime.claim(UUID(job_id))
    except (*UNREACHABLE, LavoriError) as error:  # the hint is lost; redeliver gives it again
        log.warning("cannot claim now", action="queue.claim_failed", error=f"{type(error).__name__}: {error}")
        return
    if row is None:
        return
    lease = Lease(row["id"], row["tenant_id"], row["lease_id"], asked_at)
    runtime.keeper.hold(lease)
    if row["crashes"] + 1 >= CRASHES_ALLOWED:
        runtime.slots.start(_call_the_next(runtime))
    try:
        bind(job_id=job_id, type=row["type"], tenant_id=row["tenant_id"], run=row["run"], claim=row["claim"])
        with attempt_span(row) as attempt:
            if (traceparent := attempt.traceparent if attempt else row["traceparent"]) is not None:
                bind_more(trace_id=trace_id_of(traceparent))
            await _attempt(runtime, lease, row)
    finally:
        runtime.keeper.drop(lease)
        if row["is_capped"]:
            runtime.capped.nudge(row["tenant_id"])


async def _attempt(runtime: Runtime, lease: Lease, row: asyncpg.Record) -> None:
    """What was claimed, from its start to its end."""
    log.info("job started", action="job.started", attempt=row["attempt"], worker=runtime.worker_id)
    runtime.system.queue_wait.observe(max(0.0, (row["claimed_at"] - row["due_at"]).total_seconds()))
    job_type = runtime.job_types[row["type"]]
    job = JobContext(
        *(row, {}, lease, runtime.book, runtime.pool, runtime.storage, runtime.settings, runtime.turns)
    )
    ending = await _run(runtime, job_type, job, lease, row)
    if lease.lost:
        _fenced(runtime)
        return
    outcome = decide(
        ending,
        attempt=row["attempt"],
        max_attempts=row["max_attempts"],
        timeout_seconds=row["timeout_seconds"],
        retry_seconds=job_type.retry_seconds,
    )
    await _settle(runtime, job, lease, outcome)


async def _call_the_next(runtime: Runtime) -> None:
    """Offer the jobs again whose last chance had to wait for the beginning of this one's."""
    await asyncio.sleep(PROBATION_SECONDS)
    with suppress(*UNREACHABLE, *queue.REDIS_ERRORS):
        await redeliver(runtime)


async def _run(
    runtime: Runtime, job_type: JobType, job: JobContext, lease: Lease, row: asyncpg.Record
) -> Ending:
    """Run the coroutine until it ends, or is told to stop and has had its grace."""
    task = asyncio.create_task(_call(runtime, job_type, job, row))
    grace = runtime.settings.cancel_grace_seconds
    try:
        await asyncio.wait(
            {task, lease.stopped}, timeout=row["timeout_seconds"], return_when=asyncio.FIRST_COMPLETED
        )
        stop = None
        if not task.done():
            stop = lease.stopped.result() if lease.stopped.done() else Stop.TIMED_OUT
            task.cancel()
            await asyncio.wait({task}, timeout=grace)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not task.done():
        log.error(
            "a job does not heed its cancellation and is abandoned",
            action="job.abandoned",
        )
        return Ending(stop=stop, abandoned=True)
    if task.cancelled():
        return Ending(error=asyncio.CancelledError(), stop=stop)
    error = task.exception()
    if error is None:
        return Ending(result=task.result(), stop=stop)
    if not isinstance(error, JobFailed | LeaseLost):
        trace = job.discretion("".join(format_exception(error)))
        log.error("a job type raised", action="job.error", exception=trace)
    return Ending(error=error, stop=stop)


async def _call(runtime: Runtime, job_type: JobType, job: JobContext, row: asyncpg.Record) -> Any:
    args = row["args"]
    if row["sealed_args"] is not None:
        try:
            args = runtime.sealer.open(row["sealed_args"], place_of(row["tenant_id"], row["id"]))
        except Unsealable:
            message = "the job's secret args cannot be opened: the key that sealed them is gone"
            raise JobFailed("secrets_lost", message) from None
        job.discretion = Discretion(secret_texts(job_type.params, args))
    try:
        job.args = load(job_type.params, parse_json(args.encode()))
    except LavoriError as error:  # the type's schema has changed since the job was made
        raise JobFailed("invalid_args", f"the args do not fit the job type: {error}") from None
    try:
        await fetch_attachment(job, row)
        return await job_type.run(job)
    except LavoriError as error:
        raise JobFailed(error.code, str(error), retryable=error.status >= 500) from error  # noqa: PLR2004


async def _settle(runtime: Runtime, job: JobContext, lease: Lease, outcome: Outcome) -> None:
    """Write the end, for as long as the lease is ours. What a job gave may be unwritable; that it failed never is."""
    entry = await runtime.book.take(lease)
    try:
        await _write(runtime, job, lease, outcome, entry)
    except Exception:
        log.exception("an end was refused", action="job.refused", job_id=str(job.id), type=job.type)
        job.outputs.clear()
        await _write(
            runtime, job, lease, _unwritable("invalid_output", "what the job gave cannot be kept"), None
        )


async def _write(
    runtime: Runtime, job: JobContext, lease: Lease, outcome: Outcome, entry: Entry | None
) -> None:
    """Store a large output, write the settlement, and let the next try be known."""
    try:
        output, response_type = await _until_reachable(lease, lambda: _output(job, outcome)) or (None, None)
    except (TypeError, LavoriError) as error:
        output, response_type = None, None
        code = error.code if isinstance(error, LavoriError) else "invalid_output"
        outcome = _unwritable(code, f"the output could not be kept: {error}")
    failure = outcome.failure
    ended = outcome.status is not Status.PENDING
    settlement = Settlement(
        job_id=job.id,
        lease_id=lease.lease_id,
        status=outcome.status,
        outcome=outcome.attempt_outcome,
        next_attempt=outcome.counts_as_try,
        retry_seconds=outcome.retry_seconds,
        percent=entry.percent if entry else None,
        running_output=entry.running_output if entry else None,
        output=clean(job.discretion(failure.message), runtime.settings.inline_limit)
        if failure and ended
        else output,
        response_type=response_type,
        error=dumps(
            {
                "code": clean(failure.code, 100),
                "message": clean(job.discretion(failure.message), 4_096),
                "retryable": failure.retryable,
            }
        ).decode()
        if failure
        else None,
        outputs=_outputs(job) if ended else "[]",
        link_id=uuid7() if job.outputs and ended else None,
        messages=len(entry.messages) if entry else 0,
    )
    order = SettleOrder(settlement, entry.lines() if entry else [])
    row = await _until_reachable(lease, lambda: runtime.settle(order))
    if row is None:
        _fenced(runtime)
        return
    runtime.system.run_duration.observe(time.monotonic() - lease.claimed_at)
    if ended:
        runtime.system.finished(job.type, row["status"]).inc()
    end_attempt(outcome.attempt_outcome, row["status"], failure.code if failure else None)
    log.info(
        "job settled",
        action=f"job.{outcome.attempt_outcome}",
        status=row["status"],
        error=failure.code if failure else None,
    )
    if row["status"] == Status.PENDING:
        runtime.dispatcher.nudge(queue.Message.of(row))


async def _until_reachable(lease: Lease, write: Callable[[], Awaitable[T]]) -> T | None:
    """Do it again until PostgreSQL is there; None when the lease is lost by then."""
    while not lease.lost:
        try:
            return await write()
        except UNREACHABLE:
            await asyncio.sleep(SETTLE_AGAIN_SECONDS)
    return None


def _unwritable(code: str, message: str) -> Outcome:
    return Outcome(Status.FAILED, "failed", failure=Failure(code, message, retryable=False))


def _fenced(runtime: Runtime) -> None:
    runtime.system.fenced_writes.inc()
    end_attempt("fenced", None, "lease_lost")
    log.warning("lease lost, nothing written", action="job.fenced")


async def _output(job: JobContext, outcome: Outcome) -> tuple[str | None, str | None]:
    """The result as text, and how it is answered: a small one inline, a large one as an output file of its own."""
    if outcome.status is not Status.FINISHED:
        return None, None
    result = outcome.result
    if result is None:
        return None, "publish_link" if job.outputs else "inline"
    text = (result if isinstance(result, str) else dumps(result).decode()).replace("\0", "\ufffd")
    data = text.encode("utf-8", "replace")
    if len(data) <= job.settings.inline_limit:
        return data.decode(), "inline"
    name, mime_type = (
        ("output.txt", "text/plain") if isinstance(result, str) else ("output.json", "application/json")
    )
    async with job.create_output(name, mime_type) as writer:
        await writer.write(data)
    return None, "publish_link"


def _outputs(job: JobContext) -> str:
    return dumps(
        [
            {
                "id": made.id,
                "file_id": made.file_id,
                "position": position,
                "available_formats": made.available_formats,
            }
            for position, made in enumerate(job.outputs)
        ]
    ).decode()
