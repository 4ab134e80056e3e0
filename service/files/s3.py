"""Blobs as objects below one prefix of a bucket: the twin of service/files/filesystem.py.

Endpoint, region and keys come from the AWS_* environment, which obstore reads. A blob is there, whole, once its upload
is completed, and not before. Every request has an end: 5 s to connect, 30 s of silence, three further tries within a
minute. What a killed process leaves of an upload is for the bucket's lifecycle rule (docs/settings.md).
"""

import asyncio
import os
import secrets
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

from obstore.exceptions import GenericError
from obstore.store import S3Store

from service.files import disk
from service.files.blob import KEY, BlobMissing
from service.files.s3_upload import ObjectWriter, told_apart

CHUNK = 1 << 20
TO_THE_END = 1 << 60

SILENCE = "30s"
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


class S3Storage:
    """Keeps blobs in a bucket, below a prefix that is this installation's alone."""

    def __init__(self, bucket: str, prefix: str) -> None:
        endpoint = next((os.environ[name] for name in ENDPOINTS if os.environ.get(name)), None)
        self._store = S3Store(
            bucket,
            prefix=prefix or None,
            endpoint=endpoint,
            client_options={
                "connect_timeout": "5s",
                "read_timeout": SILENCE,
                "timeout": "7 days",  # of a whole download, which takes as long as the slowest client
                "allow_http": endpoint is not None and endpoint.startswith("http://"),
            },
            retry_config={
                "max_retries": 3,
                "retry_timeout": timedelta(minutes=1),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=5),
                    "base": 2,
                },
            },
        )

    @asynccontextmanager
    async def create(self, limit: int | None) -> AsyncIterator["ObjectWriter"]:
        """Store a blob of at most `limit` bytes; see storage.Storage."""
        writer = ObjectWriter(self._store, secrets.token_hex(16), limit)
        try:
            yield writer
            await writer.finish()
        except BaseException:
            # Shielded: when this wait is cancelled too, the parts are removed all the same.
            await asyncio.shield(writer.discard())
            raise

    async def read(self, key: str, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """Give `length` bytes from `start`; see storage.Storage. One request, which obstore resumes when it is cut."""
        chunks = await self._chunks(key, start, length) if length > 0 else None
        while chunks is not None:
            with told_apart():
                chunk = await anext(chunks, b"")
            if not chunk:
                return
            for at in range(0, len(chunk), CHUNK):
                yield bytes(chunk[at : at + CHUNK])

    @asynccontextmanager
    async def local(self, key: str) -> AsyncIterator[Path]:
        """Give a copy on disk, for the time of the block; see storage.Storage."""
        with disk.told_apart():
            file, name = await asyncio.to_thread(tempfile.mkstemp, prefix="lavori-")
        try:
            os.close(file)
            async with aclosing(self.read(key, 0, TO_THE_END)) as chunks:
                async for chunk in chunks:
                    await asyncio.to_thread(_append, name, chunk)
            yield Path(name)
        finally:
            await asyncio.shield(asyncio.to_thread(os.unlink, name))

    async def delete(self, key: str) -> None:
        """Remove an object; see storage.Storage."""
        if KEY.fullmatch(key):
            with suppress(BlobMissing), told_apart():
                await self._store.delete_async(key)

    async def older_than(self, when: datetime) -> AsyncGenerator[str, None]:
        """Give the keys of what was written before `when`; see storage.Storage. Unfinished uploads are not listed."""
        pages = self._store.list(chunk_size=1000)
        while True:
            with told_apart():
                page = await anext(pages, None)
            if page is None:
                return
            for found in page:
                if KEY.fullmatch(found["path"]) and found["last_modified"] < when:
                    yield found["path"]

    async def _chunks(self, key: str, start: int, length: int) -> AsyncIterator[bytes] | None:
        """Open a range; None where it begins at the blob's end or after."""
        if not KEY.fullmatch(key):
            raise BlobMissing
        with told_apart():
            try:
                found = await self._store.get_async(key, options={"range": (start, start + length)})
            except GenericError as error:
                if "416 Range Not Satisfiable" in str(error):
                    return None
                raise
        return aiter(found.stream(min_chunk_size=CHUNK // 2))


def _append(name: str, data: bytes) -> None:
    """Opened by each call: a thread that a cancelled task has left behind never writes to another's file."""
    with disk.told_apart():
        file = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(file, left) :]
        finally:
            os.close(file)
