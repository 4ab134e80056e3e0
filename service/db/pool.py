"""The connections to PostgreSQL."""

import asyncio

import asyncpg

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


async def create_pool(dsn: str, *, size: int = 16, application: str = "lavori") -> asyncpg.Pool:
    """Open a pool of at most `size` connections; raises Unavailable when the server does not answer.

    A statement may take 30 s, a connection 5 s to make: nothing waits for ever.
    """
    try:
        return await asyncio.wait_for(
            asyncpg.create_pool(
                dsn,
                min_size=min(2, size),
                max_size=size,
                timeout=5,
                command_timeout=30,
                max_inactive_connection_lifetime=300,
                reset=_keep_as_it_is,
                server_settings={"application_name": application, "jit": "off", "timezone": "UTC"},
            ),
            timeout=15,
        )
    except UNREACHABLE as error:
        message = f"PostgreSQL can't be reached: {error}"
        raise Unavailable(message) from error
