"""The files of service/files/filesystem.py: `ab/cd/abcd…`, unfinished ones with the suffix `.part`. Blocking.

Folders are opened one by one without following symbolic links, so that nothing inside the data folder can lead
a write or a read out of it. A finished file has been through fsync, rename and fsync of its folder. All work on
one file happens under its lock: a thread that a cancelled task has left behind never meets a file that was
closed under it. The disk's errors come out as StorageFull and Unavailable.
"""

import errno
import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from service.errors import StorageFull, Unavailable
from service.files.blob import KEY, BlobMissing

log = structlog.get_logger()

_PART = ".part"
# EFBIG is what a limit on file sizes gives (ulimit -f).
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Part:
    """A file in the making."""

    def __init__(self, root: Path, key: str) -> None:
        self.key = key
        self._root = root
        self._lock = threading.Lock()
        self._hash = hashlib.sha256()
        self._file: int | None = None
        self._discarded = False

    def write(self, data: bytearray) -> None:
        """Append; the first call makes the file."""
        with self._lock, told_apart():
            if self._discarded:  # the task that asked for this was cancelled
                return
            if self._file is None:
                with _opened(self._root, self.key, make=True) as folder:
                    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                    self._file = os.open(self.key + _PART, flags, 0o600, dir_fd=folder)
                    # Says until this process ends that somebody writes it.
                    fcntl.flock(self._file, fcntl.LOCK_EX)
            self._hash.update(data)
            left = memoryview(data)
            while left:
                left = left[os.write(self._file, left) :]

    def finish(self) -> bytes:
        """Make it durable under its key; gives the SHA-256. There must have been a write, if of nothing."""
        with self._lock, told_apart():
            if self._discarded or self._file is None:
                raise RuntimeError("there is nothing to finish")
            os.fsync(self._file)
            self._close()
            with _opened(self._root, self.key) as folder:
                os.rename(self.key + _PART, self.key, src_dir_fd=folder, dst_dir_fd=folder)
                os.fsync(folder)
            return self._hash.digest()

    def discard(self) -> None:
        """Remove it, finished or not; later writes do nothing."""
        with self._lock:
            self._discarded = True
            self._close()
            # What can't be removed now is in the log, and is collected later by its age.
            with suppress(Unavailable):
                remove(self._root, self.key)

    def _close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)


class Whole:
    """A finished file, opened by its first read: from then on it can be read to its end though it be deleted."""

    def __init__(self, root: Path, key: str) -> None:
        if not KEY.fullmatch(key):
            raise BlobMissing
        self._root, self._key = root, key
        self._lock = threading.Lock()
        self._file: int | None = None
        self._closed = False

    def read(self, start: int, length: int) -> bytes:
        """Give up to `length` bytes from `start`; none at the end."""
        with self._lock, told_apart():
            if self._closed:  # the task that asked for this was cancelled
                return b""
            if self._file is None:
                self._file = self._open()
            return os.pread(self._file, length, start)

    def path(self) -> Path:
        """Where it is; raises BlobMissing."""
        with told_apart():
            os.close(self._open())
        return self._root / self._key[:2] / self._key[2:4] / self._key

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._closed = True
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _open(self) -> int:
        try:
            with _opened(self._root, self._key) as folder:
                return os.open(self._key, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        except FileNotFoundError:
            raise BlobMissing from None


def remove(root: Path, key: str) -> None:
    """Remove the file of a key and its unfinished part, where there are any."""
    if not KEY.fullmatch(key):
        return
    with told_apart(), suppress(FileNotFoundError), _opened(root, key) as folder:
        for name in (key, key + _PART):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)


def folders_in(folder: Path) -> list[Path]:
    """Give the real folders inside one, which need not exist."""
    with told_apart(), suppress(FileNotFoundError), os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    return []


def keys_below(first: Path, before: float) -> set[str]:
    """Give the keys in all folders of `first` whose last write was before this Unix time.

    An unfinished file that its writer still has open is none of them, however long ago it was written to.
    """
    found = set()
    for second in folders_in(first):
        with told_apart(), os.scandir(second) as entries:
            for entry in entries:
                key = entry.name.removesuffix(_PART)
                with suppress(FileNotFoundError):
                    if not KEY.fullmatch(key) or entry.stat(follow_symlinks=False).st_mtime >= before:
                        continue
                    if key == entry.name or not _is_being_written(entry.path):
                        found.add(key)
    return found


def _is_being_written(part: str) -> bool:
    file = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


@contextmanager
def told_apart() -> Iterator[None]:
    """A full disk is StorageFull; any other fault of the disk is Unavailable, and its path is for the log."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull("there is no room left where files are kept") from error
        log.exception("storage failed", action="files.error")
        raise Unavailable("files can't be read or written at the moment") from error


@contextmanager
def _opened(root: Path, key: str, *, make: bool = False) -> Iterator[int]:
    """The folder of a key as a descriptor; `make` makes what is missing."""
    if make:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in (key[:2], key[2:4]):
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, mode=0o700, dir_fd=folder)
                os.fsync(folder)  # also when another process made it, which may not have come to this line
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)
