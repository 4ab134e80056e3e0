"""Fetching a file piece by piece, so that not much has to be fetched again, whatever breaks."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from service.errors import OutboundFailed, TooLarge
from service.files.blob import Blob
from service.jobs.attachment import Address
from service.jobs.jobtype import JobFailed
from service.web.outbound import OutboundClient, OutboundResponse
from workers.context import JobContext
from workers.fetch import mime_type_of, name_of
from workers.jobtypes.download import pieces
from workers.jobtypes.download.progress import Piece, Progress, size_told, validator_of
from workers.jobtypes.webservice.answer import PASSING, status_line

PIECE = 32 << 20  # bytes, and
PIECE_SECONDS = 2.0  # after which a piece ends, however little it is: that much is lost by a kill


async def fetch(job: JobContext, before: Progress | None) -> Progress:
    """Fetch what is missing of the file; all of it where nothing says that the rest would be of the same file.

    Raises JobFailed for a status that is no success, OutboundRefused, OutboundFailed, TooLarge, StorageFull, LeaseLost.
    """
    client, url = OutboundClient(job.settings.outbound_allow), job.args["url"]
    if before is not None and before.pieces and before.validator is not None:
        ask = {"Range": f"bytes={before.size}-", "If-Range": before.validator}
        async with client.get(url, ask) as response:
            if before.continued_by(response.status, response.headers):
                job.message(f"goes on at byte {before.size}")
                return await _take(job, response, before)
            if response.status == HTTPStatus.OK:
                return await _from_the_start(job, response, before)
            if response.status not in (
                HTTPStatus.PARTIAL_CONTENT,
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            ):
                raise _refusal(response)
    async with client.get(url) as response:
        return await _from_the_start(job, response, before)


async def _from_the_start(job: JobContext, response: OutboundResponse, before: Progress | None) -> Progress:
    if response.status // 100 != 2 or response.status == HTTPStatus.PARTIAL_CONTENT:  # noqa: PLR2004
        raise _refusal(response)
    if before is not None:
        await pieces.let_go(job, before)
        if before.pieces:
            job.message("starts over: the server does not go on with the same file")
    name = name_of(response, Address(job.args["url"]).name)
    told = response.headers
    return await _take(
        job, response, Progress(name, mime_type_of(response, name), validator_of(told), size_told(told))
    )


def _refusal(response: OutboundResponse) -> JobFailed:
    message = f"{response.url.host} answers with status {status_line(response.status)}"
    return JobFailed("outbound_failed", message, retryable=response.status in PASSING)


async def _take(job: JobContext, response: OutboundResponse, progress: Progress) -> Progress:
    """Store the body piece by piece; what came of a piece before it broke off is kept, too."""
    limit: int = job.settings.max_attachment
    try:
        async with aclosing(response.iter_chunks(limit - progress.size)) as body:
            chunks = _Chunks(body)
            try:
                return await _pieces(job, chunks, progress)
            finally:
                await chunks.close()
    except TooLarge:
        raise TooLarge("what the address holds", limit) from None


async def _pieces(job: JobContext, chunks: "_Chunks", progress: Progress) -> Progress:
    while chunk := await chunks.next():
        blob, broken = await _piece(job, chunks, progress, chunk)
        progress = progress.with_piece(Piece(blob.key, blob.size))
        await pieces.keep(job, progress, blob)
        if broken is not None:
            raise broken
    if progress.total is not None and progress.size != progress.total:
        raise OutboundFailed("the answer is shorter or longer than its server said")
    progress = replace(progress, complete=True)
    await pieces.keep(job, progress)
    return progress


async def _piece(
    job: JobContext, chunks: "_Chunks", progress: Progress, chunk: bytes
) -> tuple[Blob, OutboundFailed | None]:
    """Store a piece that begins with `chunk`; answers it with what broke it off."""
    size, broken = 0, None
    ends_at = asyncio.get_running_loop().time() + PIECE_SECONDS
    async with job.storage.create(None) as writer:
        while chunk:
            await writer.write(chunk)
            size += len(chunk)
            _tell(job, progress.size + size, progress.total)
            if size >= PIECE:
                break
            try:
                async with asyncio.timeout_at(ends_at):
                    chunk = await chunks.next()
            except TimeoutError:
                break
            except OutboundFailed as error:
                broken = error
                break
    return writer.blob, broken


def _tell(job: JobContext, size: int, total: int | None) -> None:
    if total:
        job.progress(99 * size / total, f"{size} of {total} bytes")
    else:
        job.progress(running_output=f"{size} bytes")


class _Chunks:
    """Chunks of a body; giving up the wait for one loses none."""

    def __init__(self, body: AsyncGenerator[bytes, None]) -> None:
        self._body = body
        self._next: asyncio.Task[bytes] | None = None

    async def next(self) -> bytes:
        """The next one; b"" at the end."""
        if self._next is None:
            wanted: Coroutine[Any, Any, bytes] = _one(self._body)
            self._next = asyncio.create_task(wanted)
        chunk = await asyncio.shield(self._next)
        self._next = None
        return chunk

    async def close(self) -> None:
        """Wait for no more."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)


async def _one(body: AsyncGenerator[bytes, None]) -> bytes:
    return await anext(body, b"")
