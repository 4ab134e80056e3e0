"""What becomes of a notice after a try. Pure."""

from dataclasses import dataclass
from enum import StrEnum

MOST_TRIES = 10
"""Of one round; a redelivery by hand begins another."""

GROWTH = 4
LONGEST_PAUSE = 12 * 3600.0
LONGEST_RETRY_AFTER = 24 * 3600.0


class Outcome(StrEnum):
    """How a try ended."""

    DELIVERED = "delivered"
    FAILED = "failed"  # it may succeed later
    REFUSED = "refused"  # it never will: an address that may not be called, a mailbox that is none
    GONE = "gone"  # the receiver wants no more: it answered 410


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of a try: `status` is the receiver's answer, `retry_after` in seconds is what it asked for.

    `counts` is false when the fault is the notice's own, so that it says nothing of others on the same way.
    """

    outcome: Outcome
    status: int | None = None
    error: str | None = None
    retry_after: float | None = None
    counts: bool = True


def delivered(status: int) -> Verdict:
    """It has arrived."""
    return Verdict(Outcome.DELIVERED, status)


def pause_after(verdict: Verdict, tries: int, *, first_pause: float, jitter: float) -> float | None:
    """After how many seconds a notice is tried again, when this was its `tries`th try; None for never.

    The first pause is `first_pause` seconds, each next one four times as long, 12 hours at most; `jitter` from 0 to 1
    spreads it from 80 to 120 percent. A receiver may ask for a longer one, of a day at most.
    """
    if verdict.outcome is not Outcome.FAILED or tries >= MOST_TRIES:
        return None
    pause: float = min(first_pause * GROWTH ** (tries - 1), LONGEST_PAUSE) * (0.8 + 0.4 * jitter)
    return max(pause, min(verdict.retry_after or 0.0, LONGEST_RETRY_AFTER))
