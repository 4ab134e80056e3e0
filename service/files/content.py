"""Sends stored files: ranges, conditions, and headers that keep a browser from running what it was sent."""

from contextlib import aclosing

import structlog
from aiohttp import web

from service.errors import RangeNotSatisfiable
from service.files.conditions import Answer, decide
from service.files.names import content_disposition
from service.files.storage import Storage
from service.files.store import StoredFile
from service.web.middleware import problem_response

log = structlog.get_logger()


def etag_of(file: StoredFile) -> str:
    """The strong ETag of a file's bytes."""
    return f'"{file.sha256.hex()}"'


async def stream(request: web.Request, storage: Storage, file: StoredFile) -> web.StreamResponse:
    """Answer a GET or HEAD with the file. Raises PreconditionFailed, and BlobMissing before anything is sent."""
    answer = decide(request.method, request.headers, etag_of(file), file.size)
    return await send(request, storage, file, answer)


async def send(
    request: web.Request, storage: Storage, file: StoredFile, answer: Answer
) -> web.StreamResponse:
    """Send what `answer` says: the file or a part of it, 304, or 416."""
    if answer.status == RangeNotSatisfiable.status:
        refused = problem_response(request, RangeNotSatisfiable(f"the file has {file.size} bytes"))
        refused.headers["Content-Range"] = f"bytes */{file.size}"
        return refused
    response = web.StreamResponse(status=answer.status, headers=_headers(file, answer))
    if request.method == "HEAD" or not answer.length:
        await response.prepare(request)
        return response
    async with aclosing(storage.read(file.storage_key, answer.start, answer.length)) as chunks:
        # Read before anything is sent, so that a missing blob can still be told.
        chunk = await anext(chunks, b"")
        await response.prepare(request)
        left = answer.length
        try:
            while chunk:
                await response.write(chunk)
                left -= len(chunk)
                chunk = await anext(chunks, b"")
        except ConnectionError:
            return response  # the client has left
        finally:
            # Too little was sent: only a connection that breaks tells the client so.
            if left and request.transport is not None:
                request.transport.abort()
        if left:
            log.error("file is shorter than its row says", action="files.short", key=file.storage_key)
    return response


def _headers(file: StoredFile, answer: Answer) -> dict[str, str]:
    headers = {
        "ETag": etag_of(file),
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox",
        "Referrer-Policy": "no-referrer",
    }
    if answer.status == web.HTTPNotModified.status_code:
        return headers
    headers["Content-Type"] = file.mime_type
    headers["Content-Length"] = str(answer.length)
    headers["Content-Disposition"] = content_disposition(file.name)
    if answer.status == web.HTTPPartialContent.status_code:
        end = answer.start + answer.length - 1
        headers["Content-Range"] = f"bytes {answer.start}-{end}/{file.size}"
    return headers
