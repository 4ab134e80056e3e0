"""A folder for one piece of work: gone with it, or, when its worker was killed, with the next one's."""

import asyncio
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from service.files.disk import told_apart

PREFIX = "lavori-work-"
YOUNG_SECONDS = 60  # a folder that is so new may not be locked yet


@asynccontextmanager
async def work_folder() -> AsyncIterator[Path]:
    """Make a folder, for the time of the block. Raises StorageFull, Unavailable."""
    with told_apart():
        # At once: of a thread that a cancelled job has left behind, nobody would take the folder.
        folder = tempfile.TemporaryDirectory(prefix=PREFIX)
        lock = os.open(folder.name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_EX)  # says until this process ends that somebody works there
    try:
        await asyncio.to_thread(sweep)
        yield Path(folder.name)
    finally:
        await asyncio.shield(asyncio.to_thread(folder.cleanup))
        os.close(lock)


def sweep() -> None:
    """Remove the folders that nobody works in any more."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # somebody works there, or has removed it, or it is another user's
            folder = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if time.time() - os.fstat(folder).st_mtime > YOUNG_SECONDS:
                    fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(left)
            finally:
                os.close(folder)
