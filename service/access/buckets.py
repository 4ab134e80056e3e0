"""Token buckets: how many requests a tenant, or a key of it, may make. Pure.

A bucket holds a minute's requests, is filled evenly, and lets through whoever finds a whole token in it; so after a
pause a minute's requests may come at once, and over any longer time no more than the limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from service.access.principal import Principal

WINDOW_SECONDS = 60
MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Bucket:
    """One limit: `name` is how its policy is called in headers, `key` whose it is, `most` the requests a minute."""

    name: str
    key: str
    most: int

    def seconds_until(self, tokens: float, wanted: float) -> int:
        """How long it takes to fill from `tokens` to `wanted`, in whole seconds."""
        return max(0, ceil((wanted - tokens) * WINDOW_SECONDS / self.most))


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether a request may pass, and how many tokens each of its buckets holds then."""

    passes: bool
    buckets: tuple[Bucket, ...]
    tokens: Sequence[float]

    @property
    def retry_seconds(self) -> int:
        """When the next request would pass."""
        waits = (
            bucket.seconds_until(held, 1) for bucket, held in zip(self.buckets, self.tokens, strict=True)
        )
        return max(1, *waits)

    @property
    def headers(self) -> dict[str, str]:
        """`RateLimit-Policy` and `RateLimit`: `r` requests are left, and all of them again in `t` seconds."""
        policy = ", ".join(f'"{one.name}";q={one.most};w={WINDOW_SECONDS}' for one in self.buckets)
        held = zip(self.buckets, self.tokens, strict=True)
        left = ", ".join(
            f'"{one.name}";r={int(tokens)};t={one.seconds_until(tokens, one.most)}' for one, tokens in held
        )
        return {"RateLimit-Policy": policy, "RateLimit": left}


def buckets_of(principal: Principal) -> tuple[Bucket, ...]:
    """The buckets that a request of this caller takes a token from: none where its tenant sets no limit."""
    caps, found = principal.caps, []
    if caps.requests_per_minute is not None:
        found.append(Bucket("tenant", str(principal.tenant_id), caps.requests_per_minute))
    if caps.key_requests_per_minute is not None:
        key = f"{principal.tenant_id}:{principal.key_id or principal.name}"
        found.append(Bucket("key", key, caps.key_requests_per_minute))
    return tuple(found)


class LocalBuckets:
    """The buckets of one process; times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[float, float]] = {}

    def look(self, buckets: tuple[Bucket, ...], now: float) -> Ruling:
        """Whether a request would pass."""
        tokens = [self._tokens(bucket, now) for bucket in buckets]
        return Ruling(min(tokens) >= 1, buckets, tokens)

    def take(self, buckets: tuple[Bucket, ...], now: float) -> Ruling:
        """Let a request pass, if it may: it takes a token from each bucket, or from none."""
        ruling = self.look(buckets, now)
        if not ruling.passes:
            return ruling
        if len(self._held) >= MOST_REMEMBERED:  # what has not been touched for a window is full again
            self._held = {key: held for key, held in self._held.items() if now - held[1] < WINDOW_SECONDS}
        left = [tokens - 1 for tokens in ruling.tokens]
        for bucket, tokens in zip(buckets, left, strict=True):
            self._held[bucket.key] = (tokens, now)
        return Ruling(passes=True, buckets=buckets, tokens=left)

    def _tokens(self, bucket: Bucket, now: float) -> float:
        tokens, at = self._held.get(bucket.key, (float(bucket.most), now))
        return min(bucket.most, tokens + (now - at) * bucket.most / WINDOW_SECONDS)
