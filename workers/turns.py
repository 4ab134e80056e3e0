"""Turns for work that takes much memory or processor: so many at once in a worker process, half of them a tenant's."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

AT_ONCE, OF_ONE_TENANT = 4, 2


class Turns:
    """Lets a few in, and the others wait."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(AT_ONCE)
        self._tenants: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, tenant_id: int, waits: Callable[[], object]) -> AsyncIterator[None]:
        """Come to one's turn, and keep it for the block; `waits` is called when it does not come at once."""
        tenant = self._tenants.get(tenant_id)
        if tenant is None:
            tenant = self._tenants[tenant_id] = asyncio.Semaphore(OF_ONE_TENANT)
        if tenant.locked() or self._all.locked():
            waits()
        async with tenant, self._all:
            yield
