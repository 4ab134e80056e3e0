"""The connections to PostgreSQL."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from service.errors import Unavailable

# What asyncpg raises when PostgreSQL can't be reached or can't take work now (08, 53, 57P0x, 25006).
UNREACHABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.ReadOnlySQLTransactionError,
)


async def _keep_as_it_is(_: asyncpg.Connection) -> None:
    """Replace asyncpg's reset on release: no session's state is ever changed, and it costs a round trip."""


class TimedPool(asyncpg.Pool):
    """Tells `on_wait` how many seconds each caller waited for a connection; none waits longer than `wait_seconds`.

    asyncpg takes that time also for how long it may take to call back a statement that was given up. Without it, a
    server that hangs would keep the caller for as long as it hangs.
    """

    def __init__(
        self, *args: object, on_wait: Callable[[float], object], wait_seconds: float | None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._on_wait, self._wait_seconds = on_wait, wait_seconds

    # A private method, because every way to a connection leads through it; tests/integration/test_pool.py watches.
    async def _acquire(self, timeout: float | None) -> PoolConnectionProxy:
        began = time.perf_counter()
        connection: PoolConnectionProxy = await super()._acquire(timeout or self._wait_seconds)  # type: ignore[misc]
        self._on_wait(time.perf_counter() - began)
        return connection


async def create_pool(
    dsn: str,
    *,
    size: int = 16,
    application: str = "lavori",
    statement_seconds: float = 30,
    wait_seconds: float | None = None,
    on_wait: Callable[[float], object] = lambda _: None,
) -> asyncpg.Pool:
    """Open a pool of at most `size` connections; raises Unavailable when the server does not answer.

    A statement may take `statement_seconds`, a connection 5 s to make, and a caller waits `wait_seconds` for a free
    one. `on_wait` is told the seconds that each caller waited.
    """
    try:
        return await asyncio.wait_for(
            TimedPool(
                dsn,
                on_wait=on_wait,
                wait_seconds=wait_seconds,
                min_size=min(2, size),
                max_size=size,
                max_queries=50_000,
                loop=None,
                connection_class=asyncpg.Connection,
                record_class=asyncpg.Record,
                timeout=5,
                command_timeout=statement_seconds,
                max_inactive_connection_lifetime=300,
                reset=_keep_as_it_is,
                server_settings={"application_name": application, "jit": "off", "timezone": "UTC"},
            ),
            timeout=15,
        )
    except UNREACHABLE as error:
        message = f"PostgreSQL can't be reached: {error}"
        raise Unavailable(message) from error
