"""Takes the terminal's Ctrl-C for ourselves when make started us.

A terminal sends Ctrl-C to every process of its foreground group. GNU make, when it gets one too, ends by that signal
after its child, so that a clean stop would look like a failure. So we take a process group of our own to the
foreground, and make hears nothing.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping


@contextlib.contextmanager
def own_foreground(environ: Mapping[str, str]) -> Iterator[None]:
    """While the block runs, be the terminal's foreground group, if make started us there."""
    before = os.getpgrp()
    if "MAKELEVEL" not in environ or not sys.stdin.isatty() or os.tcgetpgrp(0) != before:
        yield
        return
    # A process that is not in the foreground is stopped when it changes that, unless it ignores SIGTTOU. Ctrl-Z would
    # stop us alone, and leave a terminal that nobody serves.
    old = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTTOU, signal.SIGTSTP)}
    try:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpgrp())
        yield
    finally:
        with contextlib.suppress(OSError):  # the terminal may be gone, which is why we end
            os.tcsetpgrp(0, before)
        for number, handler in old.items():
            signal.signal(number, handler)
