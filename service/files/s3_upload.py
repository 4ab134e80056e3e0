"""Uploads of service/files/s3.py. A small blob goes up in one request, a larger one in parts.

An upload is a task of its own. When it fails, or its writer is cancelled, it is told to stop rather than dropped: only
then obstore takes back the parts that are already there.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import structlog
from obstore.exceptions import BaseError
from obstore.store import S3Store

from service.errors import StorageFull, TooLarge, Unavailable
from service.files.blob import Blob, BlobMissing

log = structlog.get_logger()

PART = 8 << 20
AT_ONCE = 2  # parts of one upload; with those that are being filled and handed on, it holds four
NO_ROOM = ("Insufficient Storage", "StorageFull", "QuotaExceeded")


class ObjectWriter:
    """Gathers what is written into parts, and hands them to the task that uploads them."""

    def __init__(self, store: S3Store, key: str, limit: int | None) -> None:
        self._store, self._key, self._limit = store, key, limit
        self._size = 0
        self._hash = hashlib.sha256()
        self._buffer = bytearray()
        self._parts: asyncio.Queue[bytes | None] = asyncio.Queue(1)  # None is the end
        self._upload: asyncio.Task[None] | None = None
        self._discarded = False
        self._blob: Blob | None = None

    async def write(self, data: bytes) -> None:
        """Append; raises TooLarge, StorageFull, Unavailable."""
        self._size += len(data)
        if self._limit is not None and self._size > self._limit:
            raise TooLarge("the file", self._limit)
        self._buffer += data
        while len(self._buffer) >= PART:
            part = bytes(self._buffer[:PART])
            del self._buffer[:PART]
            await asyncio.to_thread(self._hash.update, part)
            await self._send(part)

    @property
    def blob(self) -> Blob:
        """What was stored; only after the block has ended."""
        if self._blob is None:
            raise RuntimeError("the blob is not stored yet")
        return self._blob

    async def finish(self) -> None:
        """Send the rest, and wait until the blob is there."""
        rest = bytes(self._buffer)
        await asyncio.to_thread(self._hash.update, rest)
        if self._upload is None:
            self._upload = asyncio.create_task(self._put(rest, use_multipart=False))
        else:
            await self._send(rest)
            await self._send(None)
        await asyncio.shield(self._upload)  # a task of its own: cancelling the wait must not drop the request
        self._blob = Blob(self._key, self._size, self._hash.digest())

    async def discard(self) -> None:
        """Take back what was uploaded; later writes do nothing."""
        self._discarded = True
        if self._upload is None:
            return
        self._make_room()
        self._parts.put_nowait(None)
        await asyncio.wait({self._upload})
        if not self._upload.cancelled() and (error := self._upload.exception()) is not None:
            log.debug("an upload was taken back", action="files.discarded", key=self._key, error=repr(error))
        # It may have ended before it was told, or its end was refused after it had taken effect. What cannot be deleted
        # is in the log, and is collected by its age.
        with suppress(BlobMissing, Unavailable), told_apart():
            await self._store.delete_async(self._key)

    async def _send(self, part: bytes | None) -> None:
        if self._discarded:
            return
        if self._upload is None:
            self._upload = asyncio.create_task(
                self._put(self._given(), chunk_size=PART, max_concurrency=AT_ONCE)
            )
        if not self._upload.done():
            await self._parts.put(part)
        if self._upload.done():
            await asyncio.shield(self._upload)  # raises why

    async def _put(self, content: bytes | AsyncIterator[bytes], **how: Any) -> None:
        try:
            with told_apart():
                await self._store.put_async(self._key, content, **how)
        except BlobMissing as error:
            raise Unavailable("files can't be written at the moment") from error
        finally:
            self._make_room()  # for a writer that waits to send the next part, and now learns why not

    async def _given(self) -> AsyncIterator[bytes]:
        while (part := await self._parts.get()) is not None:
            yield part
        if self._discarded:
            raise _Discarded

    def _make_room(self) -> None:
        while not self._parts.empty():
            self._parts.get_nowait()


class _Discarded(Exception):
    """Raised into an upload, which then takes back its parts."""


@contextmanager
def told_apart() -> Iterator[None]:
    """An unknown object is BlobMissing, no room StorageFull, all else Unavailable; addresses are for the log alone."""
    try:
        yield
    except (BaseError, OSError) as error:
        text = str(error).partition("\n\nDebug source")[0]
        if isinstance(error, FileNotFoundError) and "NoSuchBucket" not in text:
            raise BlobMissing from None
        if any(words in text for words in NO_ROOM):
            raise StorageFull("there is no room left where files are kept") from error
        log.error("storage failed", action="files.error", error=text)  # noqa: TRY400  the trace tells nothing
        raise Unavailable("files can't be read or written at the moment") from error
