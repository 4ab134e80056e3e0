"""When a request is sent again, and how long to wait before. Pure."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MOST_TRIES = 6
MOST_SECONDS = 60.0  # of pauses, in all
FIRST_PAUSE = 0.25
COME_AGAIN = frozenset({429, 503})  # the server says that it has done nothing
GATEWAY = frozenset({502, 504})  # nobody knows whether it has


class Patience:
    """How much waiting is left to one request."""

    def __init__(self, seconds: float = MOST_SECONDS) -> None:
        self._tries, self._seconds = 1, seconds

    def pause(self, asked: float | None) -> float | None:
        """How long to wait before the next try: what the server asked, else longer each time; None to give up."""
        longer = FIRST_PAUSE * 2**self._tries * random.uniform(0.5, 1)  # noqa: S311 - it only spreads clients
        pause = longer if asked is None else asked
        if self._tries >= MOST_TRIES or pause > self._seconds:
            return None
        self._tries += 1
        self._seconds -= pause
        return pause


def seconds_of(retry_after: str | None, now: datetime | None = None) -> float | None:
    """What a Retry-After says, in seconds or as a date; None when it says nothing that can be read."""
    if not retry_after:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        when = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds()) if when.tzinfo else None
