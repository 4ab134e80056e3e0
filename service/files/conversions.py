"""Outputs in other formats: made when they are first asked for, and kept until a day after they were last asked for.

A conversion is a file like any other, so it is streamed, has an ETag and ranges; its row in `conversions` is a cache.
The same output makes the same bytes, so a download that goes on after the file has expired still fits. A tenant
converts one file at a time, and an API process two, each in a child process with limits; the rest wait their turn.
"""

import asyncio
import tempfile
from pathlib import Path, PurePosixPath
from uuid import UUID
from weakref import WeakValueDictionary

import asyncpg
import structlog

from service.db.connection import Executor
from service.errors import Malformed, NotConvertible, NotFound, StorageFull, TooLarge, Unavailable
from service.files.blob import Blob
from service.files.storage import Storage
from service.files.store import Output, StoredFile, insert_file
from service.sandbox.process import MIB, SandboxFailed, sandboxed
from service.tables.convert import convert
from service.tables.formats import FORMATS, Format, ending

log = structlog.get_logger()

AT_ONCE = 2
SECONDS, WAIT_SECONDS = 300.0, 60.0
# A sheet that is read is held in memory whole; a full one of twelve columns takes 1.2 GiB.
MEMORY, MEMORY_OF_SHEETS = 512 * MIB, 2048 * MIB
LARGEST = 4 << 30
MOST_REMEMBERED = 10_000


def other_format(output: Output, wanted: str | None) -> Format | None:
    """The format to convert an output to; None for its own. Raises Malformed for one that it does not have."""
    own = ending(output.file.name)
    if wanted is None or (word := wanted.lower()) == own:
        return None
    if word in output.available_formats and {word, own} <= FORMATS:
        return Format(word)
    names = ", ".join(dict.fromkeys([*([own] if own else []), *output.available_formats]))
    raise Malformed(f"format: this output can be had as {names or 'it is'} only")


class Conversions:
    """Converts outputs, in turn."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tenants: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._refused: dict[tuple[UUID, Format], str] = {}  # outputs never change, so neither does this

    async def converted(
        self, pool: asyncpg.Pool, storage: Storage, tenant_id: int, output: Output, wanted: Format
    ) -> StoredFile:
        """Give an output in another format. Raises NotConvertible, StorageFull, and Unavailable when many wait."""
        if kept := await conversion_if_kept(pool, output.id, wanted):
            return kept
        tenant = self._tenants.setdefault(tenant_id, asyncio.Lock())
        await _acquire(tenant)
        try:
            if kept := await conversion_if_kept(pool, output.id, wanted):  # made while this one waited
                return kept
            if (why := self._refused.get((output.id, wanted))) is not None:
                raise NotConvertible(why)
            await _acquire(self._slots)
            try:
                return await self._convert(pool, storage, tenant_id, output, wanted)
            finally:
                self._slots.release()
        finally:
            tenant.release()

    async def _convert(
        self, pool: asyncpg.Pool, storage: Storage, tenant_id: int, output: Output, wanted: Format
    ) -> StoredFile:
        try:
            blob = await _made(storage, output, wanted)
        except NotConvertible as error:
            if len(self._refused) >= MOST_REMEMBERED:
                self._refused.clear()
            self._refused[output.id, wanted] = str(error)
            raise
        name = f"{PurePosixPath(output.file.name).stem}.{wanted}"
        try:
            async with pool.acquire() as connection, connection.transaction():
                await keep_conversion(connection, tenant_id, output.id, wanted, name, blob)
        except asyncpg.ForeignKeyViolationError:
            await asyncio.shield(storage.delete(blob.key))
            raise NotFound("no such output") from None
        return StoredFile(name, wanted.mime_type, blob.size, blob.sha256, blob.key)


async def _acquire(turn: asyncio.Lock | asyncio.Semaphore) -> None:
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await turn.acquire()
    except TimeoutError:
        raise Unavailable("other files are being converted; ask again") from None


async def _made(storage: Storage, output: Output, wanted: Format) -> Blob:
    """Convert in a child process, into storage."""
    own = ending(output.file.name)
    memory = MEMORY_OF_SHEETS if own == Format.XLSX else MEMORY
    folder = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="lavori-")
    try:
        async with (
            asyncio.timeout(SECONDS),
            storage.local(output.file.storage_key) as source,
            storage.create(LARGEST) as writer,
            sandboxed(
                *(convert, str(Path(source)), own, wanted.value, folder.name),
                memory=memory,
                largest_file=LARGEST,
            ) as items,
        ):
            async for item in items:
                await writer.write(item)
    except SandboxFailed as failed:
        log.warning(
            "conversion failed", action="files.conversion_failed", output_id=str(output.id), code=failed.code
        )
        raise _told(failed, wanted) from failed
    except TooLarge:
        raise NotConvertible(f"as {wanted} it is larger than {LARGEST} bytes") from None
    except TimeoutError:
        raise NotConvertible(f"to make {wanted} of it takes longer than {SECONDS:.0f} seconds") from None
    finally:
        await asyncio.shield(asyncio.to_thread(folder.cleanup))
    return writer.blob


def _told(failed: SandboxFailed, wanted: Format) -> NotConvertible | Unavailable:
    if failed.code == "storage_full":
        return StorageFull(failed.message)
    if failed.retryable:
        return Unavailable(f"the conversion to {wanted} was broken off; ask again")
    return NotConvertible(failed.message)


CONVERSION_IF_KEPT = """
WITH found AS (
    SELECT file_id FROM conversions WHERE output_id = $1 AND format = $2
), kept AS (
    -- purge leaves alone for an hour what is handed out here
    UPDATE files SET expires_at = now() + interval '24 hours' FROM found
    WHERE files.id = found.file_id AND expires_at BETWEEN now() AND now() + interval '23 hours'
    RETURNING files.id
)
SELECT name, mime_type, size, sha256, storage_key FROM files JOIN found ON found.file_id = files.id
WHERE expires_at > now() + interval '23 hours' OR EXISTS (SELECT FROM kept)
"""


async def conversion_if_kept(connection: Executor, output_id: UUID, wanted: Format) -> StoredFile | None:
    """Give what was converted before, and keep it for another day."""
    row = await connection.fetchrow(CONVERSION_IF_KEPT, output_id, wanted)
    return StoredFile(**row) if row else None


KEEP_CONVERSION = """
INSERT INTO conversions (output_id, format, file_id) VALUES ($1, $2, $3)
ON CONFLICT (output_id, format) DO UPDATE SET file_id = excluded.file_id
"""


async def keep_conversion(
    connection: Executor, tenant_id: int, output_id: UUID, wanted: Format, name: str, blob: Blob
) -> None:
    """Write the rows of what was converted; another process's file of the same, if there is one, just expires."""
    file_id = await insert_file(
        connection,
        tenant_id=tenant_id,
        name=name,
        mime_type=wanted.mime_type,
        blob=blob,
        created_by="lavori",
    )
    await connection.execute(KEEP_CONVERSION, output_id, wanted, file_id)
