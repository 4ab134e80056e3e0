"""Servers that a former run left behind (it was killed): find them by their pid file, end them."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from service.dev.child import DevError

PATIENCE_SECONDS = 60.0


async def end_leftover(pid_file: Path, mark: str, number: signal.Signals) -> None:
    """End the process whose pid stands first in `pid_file` and wait for it, if its command line holds `mark`.

    Process ids are given out anew after a restart, above all in containers: without the mark it is somebody else's,
    and the file is stale. The file is removed either way. Raises DevError when the process does not end.
    """
    try:
        pid = int(pid_file.read_text().split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return
    deadline = time.monotonic() + PATIENCE_SECONDS
    while mark in command_line(pid):
        if time.monotonic() > deadline:
            raise DevError(f"A server of a former run (pid {pid}) does not end: end it, then start again.")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        await asyncio.sleep(0.1)
    pid_file.unlink(missing_ok=True)


def command_line(pid: int) -> str:
    """The command line of a process, empty when there is none or it has ended."""
    if Path("/proc/self").exists():
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return ""
    asked = ["/bin/ps", "-o", "command=", "-p", str(pid)]  # where there is no /proc, as on macOS
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout
