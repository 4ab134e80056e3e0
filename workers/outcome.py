"""How an attempt ends, as a value. Pure: what the coroutine gave goes in, what is to be written comes out."""

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from service.jobs.jobtype import JobFailed
from service.jobs.states import Status

BACKOFF_CAP_SECONDS = 3_600.0


class Stop(StrEnum):
    """Why a job that runs is told to stop."""

    CANCELLED = "cancelled"  # somebody asked for it
    LEASE_LOST = "lease_lost"  # another worker may have it: nothing may be written any more
    SHUTDOWN = "shutdown"  # this process ends and hands the job back
    TIMED_OUT = "timed_out"


@dataclass(frozen=True, slots=True)
class Failure:
    """`error` of a job: shown to people, so without internals."""

    code: str
    message: str
    retryable: bool
    retry_after: float = 0.0  # seconds that the next try waits at least


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of the job (`status`) and what the attempt is called (`attempt_outcome`)."""

    status: Status
    attempt_outcome: str
    result: Any = None
    failure: Failure | None = None
    counts_as_try: bool = False
    retry_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Ending:
    """What the coroutine gave: a result, an error, or neither because it did not heed that it was told to stop."""

    result: Any = None
    error: BaseException | None = None
    stop: Stop | None = None
    abandoned: bool = False


def decide(
    ending: Ending, *, attempt: int, max_attempts: int, timeout_seconds: int, retry_seconds: float
) -> Outcome:
    """Finished, cancelled, handed back, another try, or failed; ending in time wins over the wish to stop."""
    stopped = ending.abandoned or (ending.error is not None and ending.stop is not None)
    if stopped and ending.stop is Stop.CANCELLED:
        return Outcome(Status.CANCELLED, "cancelled")
    if stopped and ending.stop is Stop.SHUTDOWN:
        return Outcome(Status.PENDING, "handed_back")
    if stopped and ending.stop is Stop.TIMED_OUT:
        failure = Failure(
            "timed_out", f"the job did not end within {timeout_seconds} seconds", retryable=True
        )
        return _failed(failure, "timed_out", attempt, max_attempts, retry_seconds)
    if ending.error is None:
        return Outcome(Status.FINISHED, "finished", result=ending.result)
    return _failed(_failure(ending.error), "failed", attempt, max_attempts, retry_seconds)


def _failure(error: BaseException) -> Failure:
    if isinstance(error, JobFailed):
        after = error.retry_after or 0.0
        return Failure(str(error.code), str(error.message), bool(error.retryable), after)
    return Failure(
        "unexpected_error",
        "the job type failed unexpectedly; its operator finds the reason in the log",
        retryable=True,
    )


def _failed(failure: Failure, called: str, attempt: int, max_attempts: int, retry_seconds: float) -> Outcome:
    if failure.retryable and attempt < max_attempts:
        return Outcome(
            Status.PENDING,
            called,
            failure=failure,
            counts_as_try=True,
            retry_seconds=max(
                backoff(attempt, retry_seconds, random.random()),  # noqa: S311
                min(failure.retry_after, BACKOFF_CAP_SECONDS),
            ),
        )
    return Outcome(Status.FAILED, called, failure=failure)


def backoff(attempt: int, base: float, chance: float) -> float:
    """Seconds until the next try: base doubled with each attempt, at most an hour, less up to half by `chance`."""
    return min(BACKOFF_CAP_SECONDS, base * 2.0 ** min(attempt - 1, 20)) * (1 - chance / 2)
