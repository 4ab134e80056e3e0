"""Webhooks, as Standard Webhooks has them: the body, its signature, and the call."""

import base64
import email.utils
import hmac
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from service.errors import OutboundFailed, OutboundRefused
from service.notifications.verdict import Outcome, Verdict, delivered
from service.web.encoding import timestamp
from service.web.outbound import OutboundClient

PREFIX = "whsec_"
_SECRET_BYTES = 32
MOST_BYTES = 1024 * 1024
_GONE = 410


def new_secret() -> str:
    """A secret as Standard Webhooks writes it: `whsec_` and 32 random bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def webhook_body(status: str, at: datetime, job: bytes) -> bytes:
    """The body: `{type, timestamp, data}`, where data is the job as the API shows it.

    A job whose args make it larger than a MiB is told without them and its output: the API has both.
    """
    if len(job) > MOST_BYTES:
        whole: dict[str, Any] = orjson.loads(job)
        job = orjson.dumps({**whole, "args": None, "output": None})
    head = orjson.dumps({"type": f"job.{status}", "timestamp": timestamp(at)})
    return head[:-1] + b',"data":' + job + b"}"


def signed_headers(notice_id: UUID, now: int, body: bytes, keys: Sequence[str]) -> dict[str, str]:
    """The headers that Standard Webhooks asks for, with a signature by each of the secrets; `now` in seconds."""
    signed = f"{notice_id}.{now}.".encode() + body
    return {
        "Content-Type": "application/json",
        "webhook-id": str(notice_id),
        "webhook-timestamp": str(now),
        "webhook-signature": " ".join(f"v1,{_signature(key, signed)}" for key in keys),
    }


def _signature(key: str, signed: bytes) -> str:
    digest = hmac.digest(base64.b64decode(key.removeprefix(PREFIX)), signed, "sha256")
    return base64.b64encode(digest).decode()


async def post_webhook(client: OutboundClient, url: str, headers: dict[str, str], body: bytes) -> Verdict:
    """Send it, and judge the status alone: what else the receiver answers is not read."""
    try:
        async with client.request("POST", url, headers, body, follow=False) as response:
            return judged(response.status, response.headers.get("Retry-After"), datetime.now(UTC))
    except OutboundRefused as error:
        return Verdict(Outcome.REFUSED, error=str(error), counts=False)
    except OutboundFailed as error:
        return Verdict(Outcome.FAILED, error=str(error))


def judged(status: int, retry_after: str | None, now: datetime) -> Verdict:
    """What a status means: 2xx is delivered, 410 the end of an endpoint, all else is tried again."""
    if status // 100 == 2:  # noqa: PLR2004
        return delivered(status)
    if status == _GONE:
        return Verdict(Outcome.GONE, status, "the receiver answers that it is gone (410)", counts=False)
    said = "redirects, which is not followed" if status // 100 == 3 else "answers"  # noqa: PLR2004
    return Verdict(
        Outcome.FAILED, status, f"the receiver {said} ({status})", retry_after=_seconds(retry_after, now)
    )


def _seconds(header: str | None, now: datetime) -> float | None:
    """Retry-After in seconds: a number, or a date. None for what is neither."""
    if header is None:
        return None
    if header.isascii() and header.isdigit():
        return float(header[:9])
    try:
        at = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())
