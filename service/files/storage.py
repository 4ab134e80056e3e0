"""Where the bytes of attachments and outputs lie; rows in `files` name them by key.

Bytes first, row second: a crash between the two leaves bytes without a row, which purge collects
(`older_than`), and never a row without bytes.
"""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from service.files.blob import Blob
from service.files.filesystem import FilesystemStorage
from service.files.s3 import S3Storage
from service.settings import S3_URL, STORAGE_URLS


class BlobWriter(Protocol):
    """One blob in the making."""

    async def write(self, data: bytes) -> None:
        """Append; raises TooLarge past the limit, StorageFull without room, Unavailable if storage fails."""

    @property
    def blob(self) -> Blob:
        """What was stored; only after the block has ended."""


class Storage(Protocol):
    """Keeps blobs under random keys; reading one that is unknown, or no key at all, raises BlobMissing."""

    def create(self, limit: int | None) -> AbstractAsyncContextManager[BlobWriter]:
        """Store a blob of at most `limit` bytes: durable when the block ends, gone when an error leaves it."""

    def read(self, key: str, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """Give `length` bytes from `start`, in chunks of at most 1 MiB; less if the blob ends before."""

    def local(self, key: str) -> AbstractAsyncContextManager[Path]:
        """Give the blob as a local file for the time of the block, to be read only."""

    async def delete(self, key: str) -> None:
        """Remove the blob and what an unfinished write has left of it; one that is absent is fine."""

    def older_than(self, when: datetime) -> AsyncGenerator[str, None]:
        """Give the keys of what was written last before `when`: blobs, and what a dead writer has left unfinished."""


def open_storage(url: str) -> Storage:
    """Open the storage that STORAGE_URL names: `file:///folder` or `s3://bucket/prefix`. Raises ValueError."""
    if found := S3_URL.fullmatch(url):
        return S3Storage(found[1], (found[2] or "").strip("/"))
    parts = urlsplit(url)
    folder = Path(unquote(parts.path))
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or folder.parent == folder:
        message = f"STORAGE_URL must be {STORAGE_URLS}, not {url!r}"
        raise ValueError(message)
    return FilesystemStorage(folder)
