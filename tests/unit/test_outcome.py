"""How an attempt ends, decided from what the coroutine gave."""

import asyncio

import pytest

from service.jobs.jobtype import JobFailed
from service.jobs.states import Status
from workers.outcome import BACKOFF_CAP_SECONDS, Ending, Outcome, Stop, backoff, decide

RETRYABLE = JobFailed("busy", "the other side is busy", retryable=True)
FINAL = JobFailed("bad_file", "the file cannot be read")


def decided(ending: Ending, *, attempt: int = 1, max_attempts: int = 1) -> Outcome:
    return decide(ending, attempt=attempt, max_attempts=max_attempts, timeout_seconds=60, retry_seconds=2)


def test_a_result_finishes_the_job() -> None:
    outcome = decided(Ending(result={"n": 1}))
    assert (outcome.status, outcome.attempt_outcome) == (Status.FINISHED, "finished")
    assert outcome.result == {"n": 1}
    assert outcome.failure is None


@pytest.mark.parametrize("stop", list(Stop))
def test_a_job_that_ends_well_although_it_was_told_to_stop_is_finished(stop: Stop) -> None:
    assert decided(Ending(result="done", stop=stop)).status is Status.FINISHED


@pytest.mark.parametrize("error", [asyncio.CancelledError(), RETRYABLE, ValueError("while cleaning up")])
def test_a_cancelled_job_is_cancelled_whatever_its_clean_up_raised(error: BaseException) -> None:
    outcome = decided(Ending(error=error, stop=Stop.CANCELLED), max_attempts=3)
    assert (outcome.status, outcome.attempt_outcome) == (Status.CANCELLED, "cancelled")
    assert outcome.failure is None
    assert not outcome.counts_as_try


def test_a_job_that_heeds_nothing_is_cancelled_all_the_same() -> None:
    assert decided(Ending(stop=Stop.CANCELLED, abandoned=True)).status is Status.CANCELLED


@pytest.mark.parametrize("ending", [Ending(error=asyncio.CancelledError(), stop=Stop.SHUTDOWN),
                                    Ending(stop=Stop.SHUTDOWN, abandoned=True)])  # fmt: skip
def test_a_job_handed_back_at_shutdown_counts_as_no_try_and_waits_for_nothing(ending: Ending) -> None:
    outcome = decided(ending, attempt=1, max_attempts=1)
    assert (outcome.status, outcome.attempt_outcome) == (Status.PENDING, "handed_back")
    assert not outcome.counts_as_try
    assert outcome.retry_seconds == 0


def test_a_timeout_is_a_failed_try_that_another_one_follows() -> None:
    outcome = decided(Ending(error=asyncio.CancelledError(), stop=Stop.TIMED_OUT), attempt=1, max_attempts=2)
    assert (outcome.status, outcome.attempt_outcome) == (Status.PENDING, "timed_out")
    assert outcome.counts_as_try


@pytest.mark.parametrize("abandoned", [False, True])
def test_the_last_timeout_fails_the_job_with_its_own_code(abandoned: bool) -> None:  # noqa: FBT001
    error = None if abandoned else asyncio.CancelledError()
    outcome = decided(
        Ending(error=error, stop=Stop.TIMED_OUT, abandoned=abandoned), attempt=2, max_attempts=2
    )
    assert (outcome.status, outcome.attempt_outcome) == (Status.FAILED, "timed_out")
    assert outcome.failure is not None
    assert outcome.failure.code == "timed_out"
    assert "60 seconds" in outcome.failure.message


def test_a_retryable_failure_is_tried_again_until_its_attempts_are_used_up() -> None:
    first = decided(Ending(error=RETRYABLE), attempt=1, max_attempts=2)
    assert (first.status, first.attempt_outcome, first.counts_as_try) == (Status.PENDING, "failed", True)
    assert 0 < first.retry_seconds <= 2
    last = decided(Ending(error=RETRYABLE), attempt=2, max_attempts=2)
    assert (last.status, last.counts_as_try) == (Status.FAILED, False)
    assert last.failure is not None
    assert (last.failure.code, last.failure.retryable) == ("busy", True)


def test_a_final_failure_uses_no_further_attempts() -> None:
    outcome = decided(Ending(error=FINAL), attempt=1, max_attempts=5)
    assert outcome.status is Status.FAILED
    assert outcome.failure is not None
    assert (outcome.failure.code, outcome.failure.message) == ("bad_file", "the file cannot be read")


def test_an_unexpected_error_is_retryable_and_tells_nothing_of_its_inside() -> None:
    outcome = decided(Ending(error=ValueError("secret in /srv/x.py")), attempt=3, max_attempts=3)
    assert outcome.failure is not None
    assert outcome.failure.code == "unexpected_error"
    assert outcome.failure.retryable
    assert "secret" not in outcome.failure.message


def test_a_job_type_that_cancels_itself_has_failed() -> None:
    outcome = decided(Ending(error=asyncio.CancelledError()))
    assert outcome.status is Status.FAILED


def test_the_pause_doubles_with_each_attempt_up_to_an_hour() -> None:
    assert [backoff(attempt, 2.0, 0.0) for attempt in (1, 2, 3, 4)] == [2, 4, 8, 16]
    assert backoff(100, 2.0, 0.0) == BACKOFF_CAP_SECONDS
    assert backoff(10_000, 1e9, 0.0) == BACKOFF_CAP_SECONDS


def test_chance_takes_at_most_half_of_the_pause() -> None:
    assert backoff(1, 2.0, 1.0) == 1.0
    assert backoff(1, 2.0, 0.5) == 1.5


def test_the_next_try_waits_at_least_as_long_as_the_job_type_says() -> None:
    def seconds(after: float | None) -> float:
        error = JobFailed("busy", "busy", retryable=True, retry_after=after)
        return decided(Ending(error=error), max_attempts=2).retry_seconds

    assert seconds(90) == 90
    assert 1 <= seconds(0.5) <= 2
    assert 1 <= seconds(None) <= 2
    assert seconds(1e9) == BACKOFF_CAP_SECONDS
