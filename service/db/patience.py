"""Connections that never keep a caller for long, and questions asked again where the first connection broke."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, TypeVar

import asyncpg

T = TypeVar("T")

CANCEL_SECONDS = 0.5
"""How long PostgreSQL has to call back a statement that was given up, before its connection is ended instead."""

LONG_STATEMENT: ContextVar[float | None] = ContextVar("LONG_STATEMENT", default=None)
"""Seconds that a statement of this context may take, where that is more than the pool's own limit."""

SETTLE_SECONDS = 0.01
"""Connections break together; after this the pool knows which, and the second question is not asked on such a one."""

# The connection, not the server: it was ended, or had been ended before the statement was sent.
BROKEN = (asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.InterfaceError)


class PatientConnection(asyncpg.Connection):
    """Ends itself when the way to PostgreSQL is lost: a half-open connection answers no request to cancel either.

    Both methods are private to asyncpg, which has no public place for either; tests/faults/test_postgres_faults.py and
    tests/integration/test_pool.py watch them.
    """

    def _cancel_current_command(
        self, waiter: asyncio.Future[None], cancel_waiter: asyncio.Future[None] | None = None
    ) -> None:
        super()._cancel_current_command(waiter, cancel_waiter)  # type: ignore[misc]
        self._loop.call_later(CANCEL_SECONDS, self._end_if_cancelling)  # type: ignore[attr-defined]

    def _end_if_cancelling(self) -> None:
        if not self.is_closed() and self._protocol._is_cancelling():  # type: ignore[attr-defined]  # noqa: SLF001
            self.terminate()

    async def _execute(self, query: str, args: Any, limit: int, timeout: float | None, **how: Any) -> Any:
        if timeout is None:
            timeout = LONG_STATEMENT.get()
        return await super()._execute(query, args, limit, timeout, **how)  # type: ignore[misc]


async def again_if_broken(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask once more where the connection broke under the question; only for what may be done twice."""
    try:
        return await ask()
    except BROKEN:
        await asyncio.sleep(SETTLE_SECONDS)
        return await ask()
