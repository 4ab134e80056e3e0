"""The connections to PostgreSQL."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from service.db.line import Line
from service.db.patience import PatientConnection
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


class LinedPool(asyncpg.Pool):
    """Hands its connections out in the order of asking, and tells `on_wait` how many seconds each caller waited.

    `line` is as long as there are connections. `connect_seconds` is how long a new connection may take, and also how
    long asyncpg may take to call back a statement that was given up: without it, a server that hangs would keep the
    caller for as long as it hangs.
    """

    def __init__(
        self,
        *args: object,
        line: Line,
        on_wait: Callable[[float], object],
        connect_seconds: float | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._line, self._on_wait, self._connect_seconds = line, on_wait, connect_seconds
        self._handed_out: set[PoolConnectionProxy] = set()

    # A private method, because every way to a connection leads through it; tests/integration/test_pool.py watches.
    async def _acquire(self, timeout: float | None) -> PoolConnectionProxy:
        began = time.perf_counter()
        await self._line.enter()
        try:
            connection: PoolConnectionProxy = await super()._acquire(timeout or self._connect_seconds)  # type: ignore[misc]
        except BaseException:
            self._line.leave()
            raise
        self._handed_out.add(connection)
        self._on_wait(time.perf_counter() - began)
        return connection

    async def release(self, connection: PoolConnectionProxy, *, timeout: float | None = None) -> None:
        """Take a connection back, even one that broke meanwhile, and let the next caller in."""
        try:
            await super().release(connection, timeout=timeout)
        finally:
            if connection in self._handed_out:
                self._handed_out.remove(connection)
                self._line.leave()


async def create_pool(
    dsn: str,
    *,
    size: int = 16,
    application: str = "lavori",
    statement_seconds: float = 30,
    wait_seconds: float | None = None,
    connect_seconds: float | None = None,
    on_wait: Callable[[float], object] = lambda _: None,
) -> asyncpg.Pool:
    """Open a pool of at most `size` connections; raises Unavailable when the server does not answer.

    A statement may take `statement_seconds`, and a connection `connect_seconds` to make (5 at most). Who finds no free
    one waits `wait_seconds` in line, and is then told Unavailable; who finds a thousand waiting is told so at once.
    `on_wait` is told the seconds that each caller waited.
    """
    try:
        return await asyncio.wait_for(
            LinedPool(
                dsn,
                line=Line(size, what="the database", wait_seconds=wait_seconds),
                on_wait=on_wait,
                connect_seconds=connect_seconds,
                min_size=min(2, size),
                max_size=size,
                max_queries=50_000,
                loop=None,
                connection_class=PatientConnection,
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
