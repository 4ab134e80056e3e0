"""Batch what is concurrent: while one statement is under way, requests gather, and the next statement takes them all.

There is no timer, so an idle system waits for nothing: the first item leaves at once (after one turn of the
loop, so that all requests of that turn travel together). Under load one round trip carries up to `max_items`,
which is what turns 3,000 single INSERTs a second into 8,000.

An item that the database refuses must not fail its neighbours: when a batch fails by an error of data, each of
its items is tried alone, and only the guilty ones get the error.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeAlias, TypeVar

import asyncpg
import structlog

from service.db.line import GOES_FIRST
from service.errors import Unavailable

log = structlog.get_logger()

Item = TypeVar("Item")
Result = TypeVar("Result")
_Put: TypeAlias = tuple[Item, asyncio.Future[Result] | None]

ERRORS_OF_DATA = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)


class Batcher(Generic[Item, Result]):
    """Gathers concurrent `put`s into calls of `flush`, which answers with one result an item, in order.

    At most `concurrency` flushes are under way; at most `max_waiting` items wait, and one more is
    `Unavailable` at once.
    """

    def __init__(
        self,
        flush: Callable[[list[Item]], Awaitable[Sequence[Result]]],
        *,
        max_items: int = 128,
        concurrency: int = 2,
        max_waiting: int = 10_000,
    ) -> None:
        self._flush = flush
        self._max_items = max_items
        self._concurrency = concurrency
        self._max_waiting = max_waiting
        self._waiting: deque[_Put[Item, Result]] = deque()
        self._flushers: set[asyncio.Task[None]] = set()

    def put(self, item: Item) -> asyncio.Future[Result]:
        """Add an item; the future has its result, or the error that it alone caused."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._add(item, future)
        return future

    def post(self, item: Item) -> None:
        """Add an item whose result nobody waits for: what goes wrong with it is logged."""
        self._add(item, None)

    def _add(self, item: Item, future: asyncio.Future[Result] | None) -> None:
        if len(self._waiting) >= self._max_waiting:
            message = "too many requests are waiting for the database"
            raise Unavailable(message)
        self._waiting.append((item, future))
        if len(self._flushers) < self._concurrency:
            # It works for many: what it logs must not carry the facts of the one request that woke it.
            context = Context()
            context.run(GOES_FIRST.set, True)  # noqa: FBT003 - a context variable takes its value alone
            flusher = asyncio.create_task(self._run(), context=context)
            self._flushers.add(flusher)
            flusher.add_done_callback(self._flushers.discard)  # one that was cancelled

    async def join(self) -> None:
        """Wait until everything that was put has its result."""
        while self._flushers:
            await asyncio.wait(self._flushers)

    async def _run(self) -> None:
        await asyncio.sleep(0)  # let every request of this turn of the loop join
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(self._max_items, len(self._waiting)))]
            batch = [one for one in batch if one[1] is None or not one[1].done()]  # a caller may have left
            if batch:
                await self._settle(batch)
        # In the same step as that last look: an item that came before the task's own callback would lie here until
        # another one comes.
        self._flushers.discard(asyncio.current_task())

    async def _settle(self, batch: list[_Put[Item, Result]]) -> None:
        try:
            results = await self._flush([item for item, _ in batch])
        except ERRORS_OF_DATA as error:
            if len(batch) == 1:
                _fail(batch, error)
                return
            for one in batch:
                await self._settle([one])
        except asyncio.CancelledError:
            _fail(batch, Unavailable("the service is shutting down"))
            raise
        except (
            TimeoutError
        ) as error:  # the database hangs: who waits has waited as long, and would for as long again
            late, self._waiting = self._waiting, deque()
            _fail([*batch, *late], error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the callers, not to this loop
            _fail(batch, error)
        else:
            for (_, future), result in zip(batch, results, strict=True):
                if future is not None and not future.done():
                    future.set_result(result)


def _fail(batch: Sequence[_Put[Item, Result]], error: BaseException) -> None:
    if any(future is None for _, future in batch):
        log.error("what nobody waited for has failed", action="batch.failed", exc_info=error)
    for _, future in batch:
        if future is not None and not future.done():
            future.set_exception(error)
