"""PostgreSQL's clock, as a process knows it between two questions."""

import time
from datetime import UTC, datetime


class DatabaseClock:
    """What PostgreSQL last told, and what has passed since then, which no setting of this machine's clock changes."""

    __slots__ = ("_ahead",)

    def __init__(self) -> None:
        """Take the machine's own clock for right until told."""
        self._ahead = time.time() - time.monotonic()

    def told(self, now: float) -> None:
        """PostgreSQL's clock showed `now` (seconds since 1970) no later than this moment."""
        self._ahead = now - time.monotonic()

    def milliseconds(self) -> int:
        """Milliseconds since 1970. Never ahead of PostgreSQL: what is claimed too soon is refused."""
        return int(1000 * (time.monotonic() + self._ahead))

    def now(self) -> datetime:
        """The same, as a time with zone."""
        return datetime.fromtimestamp(time.monotonic() + self._ahead, UTC)
