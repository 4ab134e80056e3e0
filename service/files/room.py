"""How much a tenant may still store, while bytes come in; insert_file then settles it, row by row."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from service.access.principal import Principal
from service.db.connection import Executor
from service.errors import CapExceeded, TooLarge
from service.files.storage import BlobWriter, Storage


@dataclass(frozen=True, slots=True)
class Room:
    """What is left of a tenant's cap `storage_bytes`; None without one."""

    cap: int | None = None
    left: int | None = None

    @asynccontextmanager
    async def create(self, storage: Storage, limit: int | None) -> AsyncIterator[BlobWriter]:
        """Write a blob of at most `limit` bytes, and no more than there is room for. Raises as storage, CapExceeded."""
        if self.cap is None or self.left is None:
            async with storage.create(limit) as writer:
                yield writer
            return
        left = max(0, self.left)
        try:
            async with storage.create(left if limit is None else min(limit, left)) as writer:
                yield writer
        except TooLarge:
            if limit is None or left < limit:
                raise CapExceeded("storage_bytes", self.cap) from None
            raise


ROOM = """
SELECT (caps ->> 'storage_bytes')::bigint AS cap,
       (caps ->> 'storage_bytes')::bigint
           - (SELECT coalesce(sum(bytes), 0)::bigint FROM file_tallies WHERE tenant_id = tenants.id) AS left
FROM tenants WHERE id = $1
"""


async def room_of(connection: Executor, tenant_id: int) -> Room:
    """What a tenant may still store at the moment."""
    row = await connection.fetchrow(ROOM, tenant_id)
    return Room(row["cap"], row["left"]) if row else Room()


async def room_for(connection: Executor, principal: Principal) -> Room:
    """The same for a caller, without asking where its tenant has no cap."""
    if principal.caps.storage_bytes is None:
        return Room()
    return await room_of(connection, principal.tenant_id)
