"""The span of a job's attempt: what it is about, and how it ended."""

from contextlib import AbstractContextManager

import asyncpg

from service.telemetry.spans import Span, current, is_traced, span


def attempt_span(row: asyncpg.Record) -> AbstractContextManager[Span | None]:
    """From the claim to the end of the attempt, below the request that made the job; never an arg of it."""
    about: dict[str, str | int] = {}
    if is_traced():
        about = {
            "messaging.system": "lavori",
            "messaging.operation.type": "process",
            "messaging.message.id": str(row["id"]),
            "lavori.job.type": row["type"],
            "lavori.job.run": row["run"],
            "lavori.job.attempt": row["attempt"],
            "lavori.job.claim": row["claim"],
        }
    return span(f"run {row['type']}", "consumer", about, parent=row["traceparent"])


def end_attempt(outcome: str, status: str | None, error: str | None) -> None:
    """Note its outcome, the status that the job has now, and the code of its error."""
    if (attempt := current()) is None:
        return
    attempt.note({"lavori.job.outcome": outcome})
    if status is not None:
        attempt.note({"lavori.job.status": status})
    if error is not None:
        attempt.fail(error)
