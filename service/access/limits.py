"""Limits of requests: buckets that all processes share in Redis, and each process' own while Redis is away.

A tenant without a limit never comes here. With one, a request is first held against this process' own buckets: what
this process alone has let through is too much for all of them together as well, so a flood costs Redis nothing, and
when Redis goes away the limit holds at once. Then each process counts for itself.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import structlog
from aiohttp import web
from arq.connections import ArqRedis
from redis.exceptions import RedisError

from service.access.buckets import Bucket, LocalBuckets, Ruling, buckets_of
from service.access.principal import Principal
from service.db.batch import Batcher
from service.errors import RateLimited
from service.keys import REDIS
from service.web.middleware import MORE_HEADERS

log = structlog.get_logger()

BUDGET_SECONDS = 0.25
AWAY_SECONDS = 1.0
CLOSE_SECONDS = 1.0
PREFIX = "lavori:rate:"

Asked = tuple[Bucket, ...]

# ARGV: for each request the number of its buckets, then for each of them its key and its limit a minute.
# Answers for each request whether it passes, then what each bucket holds. Redis' own clock is the one of all processes.
TAKE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local answer, at = {}, 1
while at <= #ARGV do
  local count, passes, held = tonumber(ARGV[at]), true, {}
  for i = 1, count do
    local key, most = ARGV[at + 2 * i - 1], tonumber(ARGV[at + 2 * i])
    local known = redis.call('HMGET', key, 'tokens', 'at')
    local ago = math.max(0, now - tonumber(known[2] or now))
    held[i] = math.min(most, tonumber(known[1] or most) + ago * most / 60)
    if held[i] < 1 then passes = false end
  end
  answer[#answer + 1] = passes and '1' or '0'
  for i = 1, count do
    local key = ARGV[at + 2 * i - 1]
    if passes then
      held[i] = held[i] - 1
      redis.call('HSET', key, 'tokens', string.format('%.6f', held[i]), 'at', string.format('%.6f', now))
      redis.call('PEXPIRE', key, 60000)
    end
    answer[#answer + 1] = string.format('%.6f', held[i])
  end
  at = at + 1 + 2 * count
end
return answer
"""


class Limiter:
    """Rules on requests of tenants that have a limit."""

    def __init__(self, redis: ArqRedis) -> None:
        self._script = redis.register_script(TAKE)
        self._local = LocalBuckets()
        self._shared: Batcher[Asked, Ruling] = Batcher(self._ask, max_items=256, concurrency=1)
        self._away_until = float("-inf")

    async def rule(self, buckets: Asked) -> Ruling:
        """Whether a request may pass, of which at least one bucket is asked; if so, it is counted."""
        ruling = self._local.look(buckets, time.monotonic())
        if not ruling.passes:
            return ruling
        if self._away_until <= time.monotonic():
            try:
                ruling = await asyncio.wait_for(self._shared.put(buckets), BUDGET_SECONDS)
            except (RedisError, OSError, TimeoutError) as error:
                if self._away_until < time.monotonic() - AWAY_SECONDS:
                    log.warning(
                        "redis is away; this process counts requests for itself",
                        action="limits.away",
                        error=f"{type(error).__name__}: {error}",
                    )
                self._away_until = time.monotonic() + AWAY_SECONDS
            else:
                if ruling.passes:
                    self._local.take(buckets, time.monotonic())
                return ruling
        return self._local.take(buckets, time.monotonic())

    def look(self, buckets: Asked) -> Ruling:
        """What this process knows of the buckets."""
        return self._local.look(buckets, time.monotonic())

    async def close(self) -> None:
        """Wait for the questions that are under way."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._shared.join(), CLOSE_SECONDS)

    async def _ask(self, asked: list[Asked]) -> list[Ruling]:
        args: list[str | int] = []
        for buckets in asked:
            args.append(len(buckets))
            for bucket in buckets:
                args += [PREFIX + bucket.key, bucket.most]
        answer = iter(await self._script(args=args))
        return [
            Ruling(next(answer) == b"1", buckets, [float(next(answer)) for _ in buckets]) for buckets in asked
        ]


LIMITER = web.AppKey("limiter", Limiter)
WAITING: web.AppKey[list[Callable[[int], int]]] = web.AppKey("waiting")
"""Who can say how many clients of a tenant wait in this process."""


async def limits(app: web.Application) -> AsyncIterator[None]:
    """A `cleanup_ctx` of the application: its limiter, over its REDIS."""
    app[LIMITER], app[WAITING] = Limiter(app[REDIS]), []
    yield
    await app[LIMITER].close()


async def count_request(request: web.Request, principal: Principal) -> None:
    """Hold a request against its limits, and let its response tell of them. Raises RateLimited."""
    ruling = await request.app[LIMITER].rule(buckets_of(principal))
    request[MORE_HEADERS].update(ruling.headers)
    if not ruling.passes:
        empty = [one for one, held in zip(ruling.buckets, ruling.tokens, strict=True) if held < 1]
        told = " and ".join(f"{one.most} a minute for this {one.name}" for one in empty)
        raise RateLimited(f"the limit of requests is reached: {told}", ruling.retry_seconds)
