"""A line in front of something that there is only so much of: it keeps the order, and has an end.

asyncpg hands a free connection to whoever asks at that moment, past those who have waited, and lets any number wait.
Under more requests than a server can take, each would be late then. Here the first comes first, and who would come
too late is told so soon (Unavailable), while he can still ask another process.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

from service.errors import Unavailable

GOES_FIRST: ContextVar[bool] = ContextVar("goes_first", default=False)
"""Set where one place is for many requests at once (batch.py): those go before who wants it for himself."""


class Line:
    """Lets `room` in at once; at most `most_waiting` wait, each for `wait_seconds` at most (None: without end)."""

    def __init__(
        self, room: int, *, what: str, most_waiting: int = 1_000, wait_seconds: float | None = None
    ) -> None:
        self._room = room
        self._what = what
        self._most_waiting = most_waiting
        self._wait_seconds = wait_seconds
        self._first: deque[asyncio.Future[None]] = deque()
        self._rest: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> None:
        """Wait for a turn; whoever has had it must `leave`. Raises Unavailable."""
        if self._room:
            self._room -= 1
            return
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        if GOES_FIRST.get():
            self._first.append(turn)
        elif len(self._rest) < self._most_waiting:
            self._rest.append(turn)
        else:
            raise self._unavailable()
        over = None if self._wait_seconds is None else loop.call_later(self._wait_seconds, self._refuse, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave()  # the turn came together with the cancellation
            raise
        finally:
            if over is not None:
                over.cancel()

    def leave(self) -> None:
        """Let the next one in."""
        for waiting in (self._first, self._rest):
            while waiting:
                turn = waiting.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self._room += 1

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A turn for the time of the block. Raises Unavailable."""
        await self.enter()
        try:
            yield
        finally:
            self.leave()

    def _refuse(self, turn: asyncio.Future[None]) -> None:
        if not turn.done():
            turn.set_exception(self._unavailable())
            for waiting in (self._first, self._rest):
                if turn in waiting:
                    waiting.remove(turn)

    def _unavailable(self) -> Unavailable:
        return Unavailable(f"too many requests wait for {self._what}; ask again")
