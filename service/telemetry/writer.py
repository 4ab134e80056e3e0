"""Writes lines to a file descriptor from a thread of its own, so that a slow reader never stalls the loop.

A line that comes alone is written at once; under load those of 20 ms travel together. What the reader does not take
is kept up to a limit, then dropped and counted. A process that ends writes all that it can within a second; only one
that is killed loses lines, those of the last milliseconds.
"""

import atexit
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

GATHER_SECONDS = 0.02
MOST_LINES = 100_000
LAST_SECONDS = 1.0


class Writer:
    """Takes whole lines from any thread.

    `dropped` renders the line that says how many are missing; `join` makes one text of many lines.
    """

    def __init__(
        self,
        descriptor: int,
        dropped: Callable[[int], bytes],
        join: Callable[[Sequence[bytes]], bytes] = b"".join,
    ) -> None:
        self._descriptor = descriptor
        self._join = join
        self._render_dropped = dropped
        self._lines: deque[bytes] = deque()
        self._dropped = 0
        self._told = 0
        self._some = threading.Event()
        self._writing = threading.Lock()
        threading.Thread(target=self._run, name="logs", daemon=True).start()
        atexit.register(self.flush)

    def put(self, line: bytes) -> None:
        """Have a line written soon; it never waits."""
        if len(self._lines) >= MOST_LINES:
            self._dropped += 1
            return
        self._lines.append(line)
        if not self._some.is_set():
            self._some.set()

    def flush(self) -> None:
        """Write all that waits, or give up after a second."""
        deadline = time.monotonic() + LAST_SECONDS
        if self._writing.acquire(timeout=LAST_SECONDS):
            try:
                self._write_all(deadline)
            finally:
                self._writing.release()

    def _run(self) -> None:
        while True:
            self._some.wait()
            self._some.clear()
            with self._writing:
                self._write_all(None)
            time.sleep(GATHER_SECONDS)

    def _write_all(self, deadline: float | None) -> None:
        while self._lines:
            if missing := self._dropped - self._told:
                self._told += missing
                self._lines.append(self._render_dropped(missing))
            text = self._join([self._lines.popleft() for _ in range(min(1_000, len(self._lines)))])
            with suppress(OSError):  # nobody reads any more, and there is nobody else to tell
                self._write(memoryview(text), deadline)

    def _write(self, data: memoryview, deadline: float | None) -> None:
        while data:
            # At the end of the process, a pipe that is full must not keep it from ending.
            if (
                deadline
                and not select.select([], [self._descriptor], [], max(0.0, deadline - time.monotonic()))[1]
            ):
                return
            try:
                data = data[os.write(self._descriptor, data[: select.PIPE_BUF] if deadline else data) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [], 0.1)
