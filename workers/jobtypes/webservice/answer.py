"""What becomes of the answer to a call: the job's output, or why the job failed."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from mimetypes import guess_extension

from service.files.names import clean_name, disposition_parameters, media_type
from service.jobs.jobtype import JobFailed
from service.web.outbound import OutboundResponse
from workers.context import JobContext

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})  # the same call may succeed later
TEXTS = re.compile(r"text/.+|application/(?:json|xml|javascript|x-www-form-urlencoded|.+\+json|.+\+xml)")
EXCERPT = 300  # characters of a refusal's body that its message quotes


async def kept(job: JobContext, response: OutboundResponse) -> str | None:
    """The body as the job's output: a small text itself; what is large, or no text, as a file.

    Raises JobFailed for a status of 400 and more, TooLarge, OutboundFailed, StorageFull.
    """
    if response.status >= HTTPStatus.BAD_REQUEST:
        raise await _refusal(response)
    chunks = response.iter_chunks(job.settings.max_attachment)
    head = bytearray()
    async for chunk in chunks:
        head += chunk
        if len(head) > job.settings.inline_limit:
            break
    else:
        text = _text(bytes(head), response.headers.get("Content-Type"))
        if text is not None:
            return text
    await _write(job, response, bytes(head), chunks)
    return None


async def _refusal(response: OutboundResponse) -> JobFailed:
    """What a status of 400 and more is to the job: with the beginning of what the server says of it."""
    message = f"{response.url.host} answers with status {status_line(response.status)}"
    if said := await _beginning(response):
        message = f"{message}: {said}"
    wait = _retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
    return JobFailed("outbound_failed", message, retryable=response.status in PASSING, retry_after=wait)


async def _beginning(response: OutboundResponse) -> str:
    if not TEXTS.fullmatch(media_type(response.headers.get("Content-Type"), "")):
        return ""
    async with aclosing(response.iter_chunks(1 << 40)) as chunks:
        async for chunk in chunks:
            text = " ".join(chunk.decode("utf-8", "replace").split())
            return text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…"
    return ""


def status_line(status: int) -> str:
    """As servers write it: `404 Not Found`."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds, of either form that the header may have (RFC 9110, section 10.2.3)."""
    if header is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", header.strip()):
        return float(header)
    try:
        return max(0.0, (parsedate_to_datetime(header) - now).total_seconds())
    except (TypeError, ValueError):
        return None


async def _write(
    job: JobContext, response: OutboundResponse, head: bytes, rest: AsyncGenerator[bytes, None]
) -> None:
    header = response.headers.get("Content-Disposition", "")
    named = disposition_parameters(header, ("attachment", "inline")).get("filename") or response.url.name
    mime_type = media_type(response.headers.get("Content-Type"), named)
    name = clean_name(named or f"response{guess_extension(mime_type) or ''}")
    size = len(head)
    async with job.create_output(name, mime_type) as writer:
        await writer.write(head)
        async for chunk in rest:
            await writer.write(chunk)
            size += len(chunk)
            job.progress(running_output=f"{size} bytes")


def _text(data: bytes, declared: str | None) -> str | None:
    """The bytes as a text, if they are declared to be one, or look like one where nothing is declared."""
    if declared is not None and not TEXTS.fullmatch(media_type(declared, "")):
        return None
    charset = re.search(r'charset\s*=\s*"?([\w.:-]+)', declared or "", re.IGNORECASE | re.ASCII)
    try:
        text = data.decode(charset[1] if charset else "utf-8")
    except (LookupError, ValueError):
        return None
    return None if "\0" in text else text
