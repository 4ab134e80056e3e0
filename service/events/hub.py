"""One fan-in for all who wait in this process.

A change anywhere is told by a hint over Redis: ids alone, a few bytes each. Whoever waits for that job, or for
that tenant's jobs, is woken and reads the truth from PostgreSQL, together with all others who were woken with it.
Nobody who waits holds a connection, a cursor, a queue or a timer: a waiter is an entry in a dict, a flag, and a place
on one wheel that turns every ten seconds (pings, and a look whether the client is still there). So ten thousand of
them cost memory alone, and one that is slow to read misses versions in between but never the last.

Hints can be lost. So once a second while Redis can't be heard, and every ten seconds while it can, one query asks
for the versions of everything that is watched.
"""

import asyncio
import itertools
import struct
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from uuid import UUID

import structlog
from aiohttp import web
from arq.connections import ArqRedis
from redis.exceptions import RedisError

from service.errors import CapExceeded, Unavailable

log = structlog.get_logger()

CHANGED = "lavori:changed"  # pub/sub: records of a job's id and its tenant
_RECORD = struct.Struct("!16si")

HEARING_SECONDS = 10.0
DEAF_SECONDS = 1.0
SILENCE_SECONDS = 1.0  # then Redis is asked whether it is there, and has as long again to answer
BEAT_SECONDS = 10.0
SLICES = 100  # of the wheel, so that it never does much at once
MOST_WAITERS = 20_000
MOST_WATCHED = 500_000  # jobs, over all waiters
LOOK_AT_ONCE = 10_000
MOST_IDS_A_STREAM = (
    5_000  # more changes than that while a stream is busy: it reads anew instead of keeping a list
)


def pack(changes: Collection[tuple[UUID, int]]) -> bytes:
    """The hint that these jobs (id, tenant) have changed."""
    return b"".join(_RECORD.pack(job_id.bytes, tenant_id) for job_id, tenant_id in changes)


def _nothing() -> None:
    """What is done for a waiter that asked for nothing more."""


class Watcher:
    """Somebody who waits for jobs to change: `known` is the version that each job had when it was read last.

    `beat` is called every ten seconds, and must neither raise nor block.
    """

    __slots__ = ("_flag", "beat", "known")

    def __init__(self, known: dict[UUID, int]) -> None:
        self.known = known
        self.beat: Callable[[], object] = _nothing
        self._flag = asyncio.Event()

    def wake(self) -> None:
        """Something may have changed."""
        self._flag.set()

    async def changed(self, seconds: float | None = None) -> bool:
        """Wait until something may have changed; False when the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._flag.wait()
        was_set = self._flag.is_set()
        self._flag.clear()
        return was_set


class TenantWatcher(Watcher):
    """Somebody who waits for any job of a tenant; `ids` changed since they were taken last."""

    __slots__ = ("ids", "overflowed")

    def __init__(self) -> None:
        super().__init__({})
        self.ids: set[UUID] = set()
        self.overflowed = False

    def note(self, job_id: UUID) -> None:
        """This job has changed."""
        if len(self.ids) < MOST_IDS_A_STREAM:
            self.ids.add(job_id)
        else:
            self.overflowed = True
        self.wake()


class Hub:
    """Wakes who waits.

    `versions` asks PostgreSQL for the versions of jobs, deleted ones are absent from its answer.
    """

    def __init__(
        self,
        redis: ArqRedis,
        versions: Callable[[list[UUID]], Awaitable[Mapping[UUID, int]]],
    ) -> None:
        self._redis = redis
        self._versions = versions
        self._jobs: dict[UUID, set[Watcher]] = {}
        self._tenants: dict[int, set[TenantWatcher]] = {}
        self._waiting: dict[int, int] = {}
        self._wheel: list[set[Watcher]] = [set() for _ in range(SLICES)]
        self._places = itertools.cycle(self._wheel)
        self._hears = False
        self._total = 0
        self._watched = 0
        self._draining = False

    def is_draining(self) -> bool:
        """Whether everybody is asked to answer with what there is."""
        return self._draining

    @property
    def waiters(self) -> int:
        """How many wait in this process."""
        return self._total

    @property
    def tenant_waiters(self) -> int:
        """How many of them watch all jobs of their tenant."""
        return sum(map(len, self._tenants.values()))

    @property
    def hears(self) -> bool:
        """Whether hints come in."""
        return self._hears

    def waiting(self, tenant_id: int) -> int:
        """How many of the tenant's clients wait in this process."""
        return self._waiting.get(tenant_id, 0)

    @contextmanager
    def watch(self, tenant_id: int, known: dict[UUID, int], cap: int | None = None) -> Iterator[Watcher]:
        """Be woken when one of these jobs changes. Raises CapExceeded, and Unavailable when this process is full."""
        watcher = Watcher(known)
        with self._counted(tenant_id, cap, watcher):
            for job_id in known:
                self._jobs.setdefault(job_id, set()).add(watcher)
            self._watched += len(known)
            try:
                yield watcher
            finally:
                self._watched -= len(known)
                for job_id in known:
                    watchers = self._jobs[job_id]
                    watchers.discard(watcher)
                    if not watchers:
                        del self._jobs[job_id]

    @contextmanager
    def watch_tenant(self, tenant_id: int, cap: int | None = None) -> Iterator[TenantWatcher]:
        """Be woken when any job of the tenant changes."""
        watcher = TenantWatcher()
        with self._counted(tenant_id, cap, watcher):
            self._tenants.setdefault(tenant_id, set()).add(watcher)
            try:
                yield watcher
            finally:
                self._tenants[tenant_id].discard(watcher)
                if not self._tenants[tenant_id]:
                    del self._tenants[tenant_id]

    def drain(self) -> None:
        """Wake everybody: they answer at once with what there is."""
        self._draining = True
        self._wake_all()

    async def run(self) -> None:
        """Hear hints, and look for lost ones, until cancelled."""
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._hear())
            parts.create_task(self._look())
            parts.create_task(self._turn())

    @contextmanager
    def _counted(self, tenant_id: int, cap: int | None, watcher: Watcher) -> Iterator[None]:
        waiting = self._waiting.get(tenant_id, 0)
        if cap is not None and waiting >= cap:
            raise CapExceeded("waiters", cap)
        if self._total >= MOST_WAITERS or self._watched + len(watcher.known) > MOST_WATCHED:
            raise Unavailable("too many clients wait here")
        self._waiting[tenant_id] = waiting + 1
        self._total += 1
        place = next(self._places)
        place.add(watcher)
        try:
            yield
        finally:
            place.discard(watcher)
            watcher.beat = _nothing  # it often refers to the watcher itself
            self._total -= 1
            self._waiting[tenant_id] -= 1
            if not self._waiting[tenant_id]:
                del self._waiting[tenant_id]

    def tell(self, hint: bytes) -> None:
        """Wake those whom a hint concerns."""
        if len(hint) % _RECORD.size:
            log.warning("foreign hint dropped", action="hub.foreign")
            return
        for raw, tenant_id in _RECORD.iter_unpack(hint):
            job_id = UUID(bytes=raw)
            for watcher in self._jobs.get(job_id, ()):
                watcher.wake()
            for stream in self._tenants.get(tenant_id, ()):
                stream.note(job_id)

    def _wake_all(self) -> None:
        for watchers in self._jobs.values():
            for watcher in watchers:
                watcher.wake()
        for streams in self._tenants.values():
            for stream in streams:
                stream.overflowed = True
                stream.wake()

    async def _hear(self) -> None:
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    await pubsub.subscribe(CHANGED)
                    self._hears = True
                    self._wake_all()  # what changed while deaf
                    asked = False
                    while not _is_cancelled():
                        hint = await pubsub.get_message(timeout=SILENCE_SECONDS)
                        if hint is not None and hint["type"] == "message":
                            self.tell(hint["data"])
                        if hint is None and asked:
                            break  # it hangs: better be deaf, and look
                        asked = hint is None
                        if asked:
                            await pubsub.ping()
            except (RedisError, OSError, TimeoutError) as error:
                log.debug("hub is deaf", action="hub.deaf", error=f"{type(error).__name__}: {error}")
            self._hears = False
            if _is_cancelled():
                raise asyncio.CancelledError
            await asyncio.sleep(DEAF_SECONDS)

    async def _look(self) -> None:
        waited = 0.0
        while True:
            await asyncio.sleep(DEAF_SECONDS)
            waited += DEAF_SECONDS
            if self._hears and waited < HEARING_SECONDS:
                continue
            waited = 0.0
            try:
                await self._look_once()
            except Exception as error:  # noqa: BLE001 - PostgreSQL may be away: the next turn asks again
                log.warning(
                    "hub can't look", action="hub.look_failed", error=f"{type(error).__name__}: {error}"
                )

    async def _look_once(self) -> None:
        for streams in self._tenants.values():
            for stream in streams:
                stream.overflowed = True
                stream.wake()
        watched = list(self._jobs)
        for start in range(0, len(watched), LOOK_AT_ONCE):
            some = watched[start : start + LOOK_AT_ONCE]
            versions = await self._versions(some)
            for job_id in some:
                version = versions.get(job_id)
                for watcher in self._jobs.get(job_id, ()):
                    if watcher.known.get(job_id) != version:
                        watcher.wake()

    async def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        for place in itertools.cycle(self._wheel):
            due = max(due + BEAT_SECONDS / SLICES, loop.time())  # what was missed is not made up for
            await asyncio.sleep(due - loop.time())
            for watcher in tuple(place):
                watcher.beat()


def _is_cancelled() -> bool:
    """Whether this task was cancelled, even if redis-py has swallowed it: on 3.11 its wait_for can."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


HUB = web.AppKey("hub", Hub)
