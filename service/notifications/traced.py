"""The span of one try to deliver a notice: to whom, and what came of it."""

from contextlib import AbstractContextManager

import asyncpg

from service.notifications.verdict import Outcome, Verdict
from service.telemetry.spans import Span, is_traced, span
from service.web.outbound import server_of


def delivery_span(notice: asyncpg.Record) -> AbstractContextManager[Span | None]:
    """From the taking of the notice to the receiver's answer, below the request that made the job."""
    about: dict[str, str | int] = {}
    if is_traced():
        about = {
            "lavori.notice.id": str(notice["id"]),
            "lavori.notice.kind": notice["kind"],
            "lavori.notice.try": notice["try"],
        }
        if notice["job_id"] is not None:
            about["messaging.message.id"] = str(notice["job_id"])
        if notice["kind"] == "webhook":
            about |= {"http.request.method": "POST", **server_of(notice["target"])}
    return span(f"notify {notice['kind']}", "client", about, parent=notice["traceparent"])


def note_verdict(delivery: Span, verdict: Verdict) -> None:
    """Note the outcome, and the status that a receiver of webhooks has answered."""
    delivery.note({"lavori.notice.outcome": verdict.outcome})
    if verdict.status is not None:
        delivery.note({"http.response.status_code": verdict.status})
    if verdict.outcome is not Outcome.DELIVERED:
        delivery.fail(verdict.outcome)
