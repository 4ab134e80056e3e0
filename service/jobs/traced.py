"""The span of a submission: what is asked for, and which job it has made or found."""

from contextlib import AbstractContextManager
from uuid import UUID

from service.telemetry.spans import Span, span


def submission_span(job_type: str) -> AbstractContextManager[Span | None]:
    """From before the insert until workers have been nudged; never an arg of the job.

    It is below the request, or begins a trace where a schedule makes the job.
    """
    about = {
        "messaging.system": "lavori",
        "messaging.operation.type": "send",
        "lavori.job.type": job_type,
    }
    return span(f"submit {job_type}", "producer", about)


def note_job(submitting: Span, job_id: UUID, *, replayed: bool) -> None:
    """Note which job it was; `replayed`: one that there was already."""
    submitting.note({"messaging.message.id": str(job_id), "lavori.job.replayed": replayed})
