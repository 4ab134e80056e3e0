"""Takes files from request bodies: streamed to storage, counted after decompression, never held in memory."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import cast

from aiohttp import BodyPartReader, MultipartReader, StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError

from service.errors import Fault, Invalid, LavoriError, Malformed, TooLarge, UnsupportedMediaType
from service.files.blob import Blob
from service.files.names import clean_name, disposition_parameters, media_type
from service.files.room import Room
from service.files.storage import Storage

_CHUNK = 256 * 1024
# What the framing of two parts may take beside their content.
_FRAMING = 64 * 1024
_SERVER_ERRORS = 500
_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})


@dataclass(frozen=True, slots=True)
class Upload:
    """A file whose bytes are stored and whose row is not yet written."""

    blob: Blob
    name: str
    mime_type: str


@dataclass(frozen=True, slots=True)
class MultipartJob:
    """A job that came as a form: the JSON text of part `job`, and part `attachment`, if it was there."""

    job: bytes
    file: Upload | None


async def receive_multipart(
    request: web.Request, storage: Storage, *, max_json_body: int, max_attachment: int, room: Room
) -> MultipartJob:
    """Read the parts `job` and `attachment`, in any order. On any error nothing stays in storage.

    Raises Malformed for a broken or cut body, TooLarge, CapExceeded, UnsupportedMediaType, StorageFull, and Invalid
    for unknown or repeated parts and for a missing `job`.
    """
    if request.content_type != "multipart/form-data":
        raise UnsupportedMediaType(f"expected multipart/form-data, not {request.content_type}")
    limit = max_json_body + max_attachment + _FRAMING
    _refuse_at_once(request, "the body", limit)
    with _broken_body():
        reader = MultipartReader(request.headers, cast("StreamReader", _Counted(request.content, limit)))
    job, file, seen = b"", None, set[str]()
    try:
        async for name, part in _parts(reader):
            _refuse_part(name, seen)
            seen.add(name)
            if name == "job":
                job = await _text(part, max_json_body)
            else:
                file = await _file(part, storage, max_attachment, room)
        _refuse_without_job(seen)
    except BaseException:
        if file:
            await asyncio.shield(storage.delete(file.blob.key))
        raise
    return MultipartJob(job, file)


async def receive_raw(
    request: web.Request, storage: Storage, *, name: str | None, limit: int, room: Room
) -> Upload:
    """Store the body as a file of this name.

    Raises Malformed, TooLarge, CapExceeded, UnsupportedMediaType, StorageFull.
    """
    _refuse_at_once(request, "the file", limit)
    declared = request.headers.get("Content-Type", "")
    if declared.lower().startswith("multipart/"):
        raise UnsupportedMediaType("the body is the file itself here, not a form")
    if declared.startswith("application/x-www-form-urlencoded"):
        declared = ""  # curl says so of any body
    async with room.create(storage, limit) as writer:
        while True:
            with _broken_body():
                chunk = await request.content.readany()
            if not chunk:
                break
            await writer.write(chunk)
    cleaned = clean_name(name)
    return Upload(writer.blob, cleaned, media_type(declared, cleaned))


@asynccontextmanager
async def kept_unless_refused(storage: Storage, file: Upload | None) -> AsyncIterator[None]:
    """Remove the bytes again if the block refuses the request (any error below 500).

    After other errors nobody can tell whether the row was committed: bytes that turn out to have none are collected.
    """
    try:
        yield
    except LavoriError as error:
        if file and error.status < _SERVER_ERRORS:
            await asyncio.shield(storage.delete(file.blob.key))
        raise


def _refuse_part(name: str, seen: set[str]) -> None:
    if name not in ("job", "attachment"):
        raise Invalid([Fault("#", "unknown part: a form has the parts job and attachment")])
    if name in seen:
        raise Invalid([Fault("#", f"the part {name} is given twice")])


def _refuse_without_job(seen: set[str]) -> None:
    if "job" not in seen:
        raise Invalid([Fault("#", "the part job is missing")])


async def _parts(reader: MultipartReader) -> AsyncGenerator[tuple[str, BodyPartReader], None]:
    while True:
        with _broken_body():
            part = await reader.next()
        if part is None:
            return
        if not isinstance(part, BodyPartReader):
            raise Malformed("a part of the form is a form itself")
        yield disposition_parameters(part.headers.get("Content-Disposition", "")).get("name", ""), part


async def _text(part: BodyPartReader, limit: int) -> bytes:
    text = bytearray()
    async for chunk in _chunks(part):
        text += chunk
        if len(text) > limit:
            raise TooLarge("the part job", limit)
    return bytes(text)


async def _file(part: BodyPartReader, storage: Storage, limit: int, room: Room) -> Upload:
    async with room.create(storage, limit) as writer:
        async for chunk in _chunks(part):
            await writer.write(chunk)
    parameters = disposition_parameters(part.headers.get("Content-Disposition", ""))
    name = clean_name(parameters.get("filename"))
    return Upload(writer.blob, name, media_type(part.headers.get("Content-Type"), name))


async def _chunks(part: BodyPartReader) -> AsyncGenerator[bytes, None]:
    while not part.at_eof():
        with _broken_body():
            chunk = await part.read_chunk(_CHUNK)
        yield chunk


class _Counted:
    """A body that ends in TooLarge: aiohttp's reader would skip what stands before the first part without end."""

    def __init__(self, content: StreamReader, limit: int) -> None:
        self._content = content
        self._limit = self._left = limit
        self.at_eof = content.at_eof

    async def read(self, size: int) -> bytes:
        return self._count(await self._content.read(size))

    async def readline(self, *, max_line_length: int | None = None) -> bytes:
        return self._count(await self._content.readline(max_line_length=max_line_length))

    def unread_data(self, data: bytes) -> None:
        self._left += len(data)
        self._content.unread_data(data)

    def _count(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise TooLarge("the body", self._limit)
        return data


def _refuse_at_once(request: web.Request, what: str, limit: int) -> None:
    """Refuse a body that says itself that it is too large, or that is packed in a way nobody unpacks here."""
    if request.content_length is not None and request.content_length > limit:
        raise TooLarge(what, limit)
    if request.headers.get("Content-Encoding", "").strip().lower() not in _ENCODINGS:
        raise UnsupportedMediaType("a body's Content-Encoding may be gzip or deflate")


@contextmanager
def _broken_body() -> Iterator[None]:
    """Whatever aiohttp finds wrong with a body is a malformed request; so is one whose client has left."""
    try:
        yield
    except (
        ValueError,
        RuntimeError,
        OSError,  # of the connection
        HttpProcessingError,
        web.RequestPayloadError,
    ) as error:
        raise Malformed("the body is broken or ends early") from error
