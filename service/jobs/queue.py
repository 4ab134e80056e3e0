"""The hand-over to arq: what lies in Redis are hints, never the truth.

A message carries a job's id alone, as JSON in arq's own wire format: a record under `arq:job:<message>` and the
message's name in a sorted set, its lane (lanes.py). The name, `<job>:<run>.<claim>`, is the same however often one
offers it, so offering twice adds nothing.

Lose all of it and nothing is lost: workers/upkeep/redeliver.py offers every due row of PostgreSQL again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple, Self
from uuid import UUID

import orjson
import structlog
from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.db.batch import Batcher
from service.errors import Unavailable
from service.events.hub import CHANGED, pack
from service.jobs.job import Row
from service.jobs.lanes import OFFER, WITHDRAW

log = structlog.get_logger()

FUNCTION = "run_job"
LANE = "lavori:queue:{priority}:{tag}"
PROBE = "lavori:probe"
WAKE = "lavori:wake"  # pub/sub: there is work
CANCEL = "lavori:cancel"  # pub/sub: a running job is to be cancelled; the message is its id
ORDER = "lavori:order"  # pub/sub: a worker is to drain or to resume; the message is its id
REDIS_ERRORS = (RedisError, OSError, TimeoutError)

BUDGET_SECONDS = 0.25  # of what a caller waits for
# Nobody waits for an offer; with less, a busy loop would take itself for a slow Redis.
OFFER_BUDGET_SECONDS = 1.0
CLOSE_SECONDS = 2.0
LOG_EVERY_SECONDS = 1.0  # each request fails while Redis is away; one line a second says so
MESSAGE_LIVES_MS = 86_400_000


class Message(NamedTuple):
    """A hint that a job is due: what a worker needs to find it, and the lane that it waits in.

    Both times are the database's; at `updated_at`, when the job was last changed, it was due already or not yet.
    """

    job_id: UUID
    tenant_id: int
    run: int
    claim: int
    priority: int
    worker_tag: str | None
    due_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Row) -> Self:
        """The message of a pending job, from any row that has these columns."""
        return cls(
            row["id"],
            row["tenant_id"],
            row["run"],
            row["claim"],
            row["priority"],
            row["worker_tag"],
            row["due_at"],
            row["updated_at"],
        )

    @property
    def name(self) -> str:
        """Arq's job id."""
        return f"{self.job_id}:{self.run}.{self.claim}"

    @property
    def lane(self) -> str:
        """The sorted set that it waits in."""
        return LANE.format(priority=self.priority, tag=self.worker_tag or "")


def connect(url: str, *, retries: int = 0) -> ArqRedis:
    """A client that gives up soon: Redis is a help, never a reason to wait."""
    pool = ConnectionPool.from_url(
        url,
        max_connections=16,
        socket_connect_timeout=1,
        socket_timeout=2,
        socket_keepalive=True,
        health_check_interval=15,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), retries),
    )
    return ArqRedis(pool, job_serializer=orjson.dumps, job_deserializer=orjson.loads)


async def offer(redis: ArqRedis, messages: Sequence[Message]) -> int:
    """Put messages into their lanes and wake the workers, in one round trip; answers how many were not there before."""
    args: list[str | bytes | int] = [MESSAGE_LIVES_MS]
    for message in messages:
        due = _milliseconds(message.due_at)
        tag = message.worker_tag or ""
        lane = message.lane
        ahead = max(0, due - _milliseconds(message.updated_at))
        args += [message.name, _record(message, lane, due), lane, message.tenant_id, tag, due, ahead]
    return int(await redis.register_script(OFFER)(args=args))


async def probe(redis: ArqRedis) -> None:
    """Raise one of REDIS_ERRORS unless Redis takes what is written: one that is full answers a ping all the same."""
    await redis.set(PROBE, 1, px=1_000)


def _record(message: Message, lane: str, due: int) -> bytes:
    """Arq's job record (arq/jobs.py: serialize_job): try, function, args, kwargs, since when; and where it waits."""
    return orjson.dumps(
        {
            "t": None,
            "f": FUNCTION,
            "a": [str(message.job_id)],
            "k": {},
            "et": due,
            "lane": lane,
            "tenant": str(message.tenant_id),
        }
    )


def _milliseconds(when: datetime) -> int:
    return int(when.timestamp() * 1000)


async def _soon(call: Callable[[], Awaitable[object]]) -> None:
    """Within the budget of an offer; and once more, as a busy loop may let that pass before Redis is asked at all."""
    try:
        await asyncio.wait_for(call(), OFFER_BUDGET_SECONDS)
    except (TimeoutError, RedisTimeoutError):
        await asyncio.wait_for(call(), OFFER_BUDGET_SECONDS)


class Dispatcher:
    """Nudges the workers after a commit. It never raises and never makes the caller wait: what fails is counted.

    A message that did not get through is offered again by redeliver, within a sweep.
    """

    def __init__(self, redis: ArqRedis) -> None:
        self.redis = redis
        self.failed = 0
        self._untold = 0
        self._told_at = float("-inf")
        self._changes: Batcher[tuple[UUID, int], None] = Batcher(self._tell, max_items=1_000, concurrency=1)
        self._batcher: Batcher[Message, None] = Batcher(
            self._offer, max_items=256, concurrency=1, max_waiting=100_000
        )

    def nudge(self, message: Message) -> None:
        """Offer a message soon, together with its neighbours."""
        try:
            self._batcher.post(message)
        except Unavailable as error:
            self._count(error)

    async def withdraw(self, message: Message) -> None:
        """Take back a message whose lane or time has changed: an old one would start the job too soon."""
        try:
            withdrawn = self.redis.register_script(WITHDRAW)(args=[message.name, message.lane])
            await asyncio.wait_for(withdrawn, BUDGET_SECONDS)
        except REDIS_ERRORS as error:
            self._count(error)

    def changed(self, job_id: UUID, tenant_id: int) -> None:
        """Tell who watches, in whatever process, that a job has changed; who misses it looks within seconds."""
        try:
            self._changes.post((job_id, tenant_id))
        except Unavailable as error:
            self._count(error)

    async def cancel(self, job_id: UUID) -> None:
        """Tell the workers at once; the lease keeper finds the flag in PostgreSQL anyway."""
        try:
            await asyncio.wait_for(self.redis.publish(CANCEL, str(job_id)), BUDGET_SECONDS)
        except REDIS_ERRORS as error:
            self._count(error)

    async def order(self, worker_id: str) -> None:
        """Tell a worker at once that it has an order; its next beat finds it in PostgreSQL anyway."""
        try:
            await asyncio.wait_for(self.redis.publish(ORDER, worker_id), BUDGET_SECONDS)
        except REDIS_ERRORS as error:
            self._count(error, 0)

    async def close(self) -> None:
        """Send what waits, and hang up; what a slow Redis does not take in time is redelivered."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._batcher.join()
                await self._changes.join()
        await self.redis.aclose(close_connection_pool=True)

    async def _offer(self, messages: list[Message]) -> list[None]:
        try:
            await _soon(lambda: offer(self.redis, messages))
        except REDIS_ERRORS as error:
            self._count(error, len(messages))
        return [None] * len(messages)

    async def _tell(self, changes: list[tuple[UUID, int]]) -> list[None]:
        hint = pack(set(changes))
        try:
            await _soon(lambda: self.redis.publish(CHANGED, hint))
        except REDIS_ERRORS as error:
            self._count(error, 0)
        return [None] * len(changes)

    def _count(self, error: Exception, messages: int = 1) -> None:
        self.failed += messages
        self._untold += messages
        if time.monotonic() - self._told_at < LOG_EVERY_SECONDS:
            return
        self._told_at = time.monotonic()
        log.warning(
            "redis is away",
            action="queue.offer_failed",
            messages=self._untold,
            error=f"{type(error).__name__}: {error}",
        )
        self._untold = 0
