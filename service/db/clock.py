"""PostgreSQL's clock, as a process knows it between two questions."""

import time
from datetime import UTC, datetime

DRIFT = 0.000_5  # seconds a second: the kernel lets NTP turn a clock no faster


class DatabaseClock:
    """What PostgreSQL last told, and what has passed since then, which no setting of this machine's clock changes."""

    __slots__ = ("_ahead", "_told_at")

    def __init__(self) -> None:
        """Take the machine's own clock for right until told."""
        self._ahead = time.time() - time.monotonic()
        self._told_at = float("-inf")

    def told(self, now: float, asked_at: float) -> None:
        """PostgreSQL's clock showed `now` (seconds since 1970) between `asked_at` (monotonic) and this moment.

        An answer that was long under way would put this clock behind; what is known serves on if it can still be true.
        """
        told_at = time.monotonic()
        known = self._ahead - DRIFT * (told_at - self._told_at)
        least, most = now - told_at, now - asked_at
        self._ahead = known if least <= known <= most else least
        self._told_at = told_at

    def milliseconds(self) -> int:
        """Milliseconds since 1970. Never ahead of PostgreSQL: what is claimed too soon is refused."""
        return int(1000 * (time.monotonic() + self._ahead))

    def now(self) -> datetime:
        """The same, as a time with zone."""
        return datetime.fromtimestamp(time.monotonic() + self._ahead, UTC)
