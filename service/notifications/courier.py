"""Delivering one notice: what it tells, on which way, and what became of it."""

import asyncio
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson
import structlog

from service.db.pool import UNREACHABLE
from service.files.links import LinkSigner, link_url
from service.jobs.owed import shown_at_end
from service.notifications import endpoints
from service.notifications.email import compose
from service.notifications.mail import MailServer, mail_server, send_mail
from service.notifications.outbox import end_try
from service.notifications.secrets import live_secrets
from service.notifications.traced import delivery_span, note_verdict
from service.notifications.verdict import Outcome, Verdict, pause_after
from service.notifications.webhook import post_webhook, signed_headers, webhook_body
from service.sealing import Sealer, Unsealable
from service.settings import Settings
from service.telemetry.logs import bind, bind_more
from service.telemetry.metrics import SystemMetrics
from service.telemetry.spans import current
from service.telemetry.trace import next_traceparent, trace_id_of
from service.web.outbound import OutboundClient, Patience

log = structlog.get_logger()

PATIENCE = Patience(connect=5, answer=15, total=20)
WRITE_AGAIN_SECONDS = 0.5
NO_MAIL_SERVER = "SMTP_URL and MAIL_FROM are not both set, so no mail can be sent"


@dataclass(slots=True)
class Courier:
    """What deliveries need; `server` is None while there is no mail server."""

    settings: Settings
    pool: asyncpg.Pool
    system: SystemMetrics
    client: OutboundClient
    signer: LinkSigner
    sealer: Sealer
    server: MailServer | None

    @classmethod
    def of(cls, settings: Settings, pool: asyncpg.Pool, system: SystemMetrics) -> "Courier":
        """Put it together."""
        has_mail = settings.smtp_url is not None and settings.mail_from is not None
        return cls(
            settings=settings,
            pool=pool,
            system=system,
            client=OutboundClient(settings.outbound_allow, patience=PATIENCE),
            signer=LinkSigner(settings.secret_keys),
            sealer=Sealer(settings.secret_keys),
            server=mail_server(settings.smtp_url) if has_mail and settings.smtp_url else None,
        )

    async def deliver(self, notice: asyncpg.Record) -> None:
        """Try to deliver a notice that this worker has taken, and write down what became of it."""
        began = time.monotonic()
        bind(notice_id=str(notice["id"]), tenant_id=notice["tenant_id"])
        if notice["job_id"] is not None:
            bind_more(job_id=str(notice["job_id"]))
        with delivery_span(notice) as delivery:
            if (traceparent := delivery.traceparent if delivery else notice["traceparent"]) is not None:
                bind_more(trace_id=trace_id_of(traceparent))
            try:
                verdict = await self._try(notice)
            except Exception:
                log.exception("a notice broke", action="notice.error")
                verdict = Verdict(Outcome.FAILED, error="it could not be made ready to be sent", counts=False)
            if delivery is not None:
                note_verdict(delivery, verdict)
        milliseconds = int((time.monotonic() - began) * 1000)
        state = await self._write(notice, verdict, milliseconds)
        if state is None:
            return
        self.system.notice_tries(notice["kind"], verdict.outcome).inc()
        log.info(
            "notice tried",
            action="notice.tried",
            kind=notice["kind"],
            outcome=verdict.outcome,
            state=state,
            status=verdict.status,
            error=verdict.error,
            duration_ms=milliseconds,
        )

    async def _try(self, notice: asyncpg.Record) -> Verdict:
        shown = await self._shown(notice)
        return await (self._mail if notice["kind"] == "email" else self._call)(notice, shown)

    async def _shown(self, notice: asyncpg.Record) -> bytes:
        if notice["job_id"] is not None:
            shown = await shown_at_end(
                self.pool,
                notice["tenant_id"],
                notice["job_id"],
                notice["job"],
                lambda link_id: link_url(self.settings.base_url, link_id, self.signer.token(link_id)),
            )
            if shown is not None:
                return shown
        kept: str = await self.pool.fetchval(KEPT, notice["id"])  # the job was deleted, maybe this moment
        return kept.encode()

    async def _call(self, notice: asyncpg.Record, shown: bytes) -> Verdict:
        try:
            keys = await live_secrets(self.pool, self.sealer, notice["tenant_id"], notice["endpoint_id"])
        except Unsealable:
            keys = []
        if not keys:
            problem = "it cannot be signed: rotate the secret"
            return Verdict(Outcome.FAILED, error=problem, counts=False)
        ended: dict[str, Any] = orjson.loads(notice["job"])
        body = webhook_body(ended["status"], datetime.fromisoformat(ended["terminated_at"]), shown)
        headers = signed_headers(notice["id"], notice["now"], body, keys)
        if (delivery := current()) is not None:
            headers["traceparent"] = delivery.traceparent
        elif notice["traceparent"] is not None:
            headers["traceparent"] = next_traceparent(notice["traceparent"])
        return await post_webhook(self.client, notice["target"], headers, body)

    async def _mail(self, notice: asyncpg.Record, shown: bytes) -> Verdict:
        if self.server is None or self.settings.mail_from is None:
            return Verdict(Outcome.FAILED, error=NO_MAIL_SERVER)
        try:
            mail = compose(
                notice["id"],
                orjson.loads(shown),
                sender=self.settings.mail_from,
                recipient=notice["target"],
                language=notice["language"] or self.settings.mail_language,
                now=datetime.fromtimestamp(notice["now"], UTC),
            )
        except ValueError as error:
            return Verdict(Outcome.REFUSED, error=str(error), counts=False)
        return await send_mail(self.server, mail)

    async def _write(self, notice: asyncpg.Record, verdict: Verdict, milliseconds: int) -> str | None:
        """Until PostgreSQL takes it: what was delivered is not delivered again because it was away for a moment."""
        first_pause = self.settings.notice_retry_seconds
        pause = pause_after(verdict, notice["try"], first_pause=first_pause, jitter=random.random())  # noqa: S311
        while True:
            try:
                async with self.pool.acquire() as connection, connection.transaction():
                    state = await end_try(connection, notice, verdict, pause, milliseconds)
                    if state is not None and verdict.outcome is Outcome.GONE and notice["endpoint_id"]:
                        await endpoints.disable_gone(connection, notice["endpoint_id"])
            except UNREACHABLE:
                await asyncio.sleep(WRITE_AGAIN_SECONDS)
            else:
                return state


KEPT = "SELECT shown FROM outbox WHERE id = $1"
