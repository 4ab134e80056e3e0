"""Blobs as files of one folder, without blocking the loop; service/files/disk.py does the work in threads."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from service.errors import TooLarge
from service.files import disk
from service.files.blob import Blob

CHUNK = 1024 * 1024  # of what is written
# A slow reader holds two of them: half of this costs a third of a download's speed, four of it would cost 2 MiB each.
READ_BYTES = 256 * 1024


class FilesystemStorage:
    """Keeps blobs below one folder, which is made (0700) when the first one is stored."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @asynccontextmanager
    async def create(self, limit: int | None) -> AsyncIterator["FileWriter"]:
        """Store a blob of at most `limit` bytes; see storage.Storage."""
        writer = FileWriter(disk.Part(self._folder, secrets.token_hex(16)), limit)
        try:
            yield writer
            await writer.finish()
        except BaseException:
            # Shielded: when this wait is cancelled too, the part is removed all the same.
            await asyncio.shield(asyncio.to_thread(writer.part.discard))
            raise

    async def read(self, key: str, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """Give `length` bytes from `start`; see storage.Storage."""
        whole = disk.Whole(self._folder, key)
        try:
            while length > 0:
                chunk = await asyncio.to_thread(whole.read, start, min(length, READ_BYTES))
                if not chunk:
                    return
                start, length = start + len(chunk), length - len(chunk)
                yield chunk
        finally:
            await asyncio.shield(asyncio.to_thread(whole.close))

    @asynccontextmanager
    async def local(self, key: str) -> AsyncIterator[Path]:
        """Give the blob's own file; see storage.Storage."""
        yield await asyncio.to_thread(disk.Whole(self._folder, key).path)

    async def delete(self, key: str) -> None:
        """Remove a blob and its unfinished part; see storage.Storage."""
        await asyncio.to_thread(disk.remove, self._folder, key)

    async def older_than(self, when: datetime) -> AsyncGenerator[str, None]:
        """Give the keys of what was written last before `when`; see storage.Storage."""
        for first in await asyncio.to_thread(disk.folders_in, self._folder):
            for key in await asyncio.to_thread(disk.keys_below, first, when.timestamp()):
                yield key


class FileWriter:
    """Gathers what is written into chunks of 1 MiB, and hands each to a thread that hashes and writes it."""

    def __init__(self, part: disk.Part, limit: int | None) -> None:
        self.part = part
        self._limit = limit
        self._size = 0
        self._buffer = bytearray()
        self._blob: Blob | None = None

    async def write(self, data: bytes) -> None:
        """Append; raises TooLarge, StorageFull, Unavailable."""
        self._size += len(data)
        if self._limit is not None and self._size > self._limit:
            raise TooLarge("the file", self._limit)
        self._buffer += data
        if len(self._buffer) >= CHUNK:
            await self._flush()

    @property
    def blob(self) -> Blob:
        """What was stored; only after the block has ended."""
        if self._blob is None:
            raise RuntimeError("the blob is not stored yet")
        return self._blob

    async def finish(self) -> None:
        """Write the rest, and give the blob its name."""
        await self._flush()
        self._blob = Blob(self.part.key, self._size, await asyncio.to_thread(self.part.finish))

    async def _flush(self) -> None:
        data, self._buffer = self._buffer, bytearray()
        await asyncio.to_thread(self.part.write, data)
