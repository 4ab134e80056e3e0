"""Clocks that are wrong: of processes, by libfaketime. Intervals take what they take."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from fault_lab.debian import debian_library

SHARED = Path("/dev/shm")


@contextmanager
def swept() -> Iterator[None]:
    """After the block, what libfaketime has left in memory of processes that were killed is gone."""
    before = set(SHARED.glob("*faketime_*"))
    try:
        yield
    finally:
        for left in set(SHARED.glob("*faketime_*")) - before:
            left.unlink(missing_ok=True)


def faked() -> dict[str, str]:
    """The environment of a process whose clock is not the machine's; FAKETIME says how far it is ahead, as `+2h`."""
    return {
        "LD_PRELOAD": str(debian_library("libfaketime", "libfaketimeMT.so.1")),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        # What it takes a glibc for that is broken is not: its repair lets a Python thread wait seconds for the others.
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
    }


class SetClock:
    """A clock for the processes with its `environ`, which follow at once when it is set."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.move(0)
        self.environ = faked() | {"FAKETIME_TIMESTAMP_FILE": str(self._file), "FAKETIME_NO_CACHE": "1"}

    def move(self, seconds: float) -> None:
        """Be so far ahead of the machine's clock."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+.3f}\n")
        new.rename(self._file)

    def set(self, to: datetime) -> None:
        """Show this time now, and go on from there."""
        self.move(to.timestamp() - time.time())
