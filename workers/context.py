"""What the coroutine of a job type is given."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from uuid_utils.compat import uuid7

from service.db.connection import Connection
from service.files.room import room_of
from service.files.storage import BlobWriter, Storage
from service.files.store import LIFETIME, insert_file
from service.jobs import checkpoints
from service.jobs.jobtype import JobFailed
from service.settings import Settings
from service.tables.formats import ending, require_tables
from service.web.encoding import dumps
from workers.discretion import Discretion
from workers.lease import Lease, LeaseLost
from workers.outcome import Stop
from workers.progress import ProgressBook
from workers.turns import Turns


@dataclass(frozen=True, slots=True)
class Attachment:
    """The file that came with the job; `JobContext.attachment_path` has its bytes."""

    name: str
    mime_type: str
    size: int
    key: str


@dataclass(frozen=True, slots=True)
class Output:
    """A file that the job made: stored, and published when the job is settled."""

    id: UUID
    file_id: UUID
    available_formats: tuple[str, ...]


class JobContext:
    """One attempt of one job: its facts, and the ways to report, to publish files and to commit effects safely."""

    def __init__(
        self,
        row: asyncpg.Record,
        args: dict[str, Any],
        lease: Lease,
        book: ProgressBook,
        pool: asyncpg.Pool,
        storage: Storage,
        settings: Settings,
        turns: Turns,
    ) -> None:
        self.id: UUID = row["id"]
        self.number: int = row["number"]
        self.tenant_id: int = row["tenant_id"]
        self.type: str = row["type"]
        self.run: int = row["run"]
        self.attempt: int = row["attempt"]
        self.claim: int = row["claim"]
        self.created_by: str = row["created_by"]
        self.created_at: datetime = row["created_at"]
        self.started_at: datetime = row["started_at"]
        self.args = args
        self.timeout_seconds: int = row["timeout_seconds"]
        self.attachment = (
            Attachment(
                row["attachment_name"],
                row["attachment_mime_type"],
                row["attachment_size"],
                row["attachment_key"],
            )
            if row["attachment_key"]
            else None
        )
        self.pool = pool
        self.storage = storage
        self.settings = settings
        self.outputs: list[Output] = []
        self.discretion = Discretion(())
        self._lease = lease
        self._book = book
        self._turns = turns

    def progress(
        self,
        percent: float | None = None,
        running_output: str | None = None,
        *,
        status_text: str | None = None,
    ) -> None:
        """Say how far the job is: percent 0 to 99 (it never falls), one line of running output, two words of status.

        Cheap: call it as often as you like; at most four a second are written, and the last one always.
        """
        hide = self.discretion
        self._book.progress(self._lease, percent, hide(running_output), hide(status_text))

    def message(self, text: str, *, level: str = "info", tool_id: str | None = None) -> None:
        """Add a line to the job's messages: level debug, info, warning, error or output; `tool_id` names the step."""
        self._book.message(self._lease, level, self.discretion(text), tool_id)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until this worker has room for work that takes much memory or processor, and keep it for the block."""
        async with self._turns.turn(
            self.tenant_id, lambda: self.progress(status_text="Waiting for its turn")
        ):
            yield

    @asynccontextmanager
    async def attachment_path(self) -> AsyncIterator[Path]:
        """The attachment's bytes as a local file, for the time of the block."""
        if self.attachment is None:
            raise JobFailed("no_attachment", "the job has no attachment")
        async with self.storage.local(self.attachment.key) as path:
            yield path

    @asynccontextmanager
    async def create_output(
        self, name: str, mime_type: str, *, formats: Sequence[str] = ()
    ) -> AsyncIterator[BlobWriter]:
        """Write an output file; it is published with the job's end. Left by an error, it leaves nothing behind.

        `formats` are those that it can be had in, its own among them, which its name's ending says: a table in csv,
        xlsx, json or parquet is converted to the others when they are asked for.

        A tenant that may store no more has its job failed by CapExceeded.

        Bytes first, row second: the row lives on its own until a day after the job must have ended, and for good once
        the settlement names it.
        """
        own = ending(name)
        if others := set(formats) - {own}:
            require_tables({own, *others})
        room = await room_of(self.pool, self.tenant_id)
        async with room.create(self.storage, None) as writer:
            yield writer
        file_id = await insert_file(
            self.pool,
            tenant_id=self.tenant_id,
            name=name,
            mime_type=mime_type,
            blob=writer.blob,
            created_by=self.created_by,
            lifetime=LIFETIME + timedelta(seconds=self.timeout_seconds),
        )
        self.outputs.append(Output(uuid7(), file_id, tuple(formats)))

    @asynccontextmanager
    async def fenced(self) -> AsyncIterator[Connection]:
        """A transaction for effects that must happen once: it begins only while this attempt holds its lease.

        Attempts of one job pass here one after the other, and each sees the checkpoint that the one before committed.
        Raises LeaseLost, which must pass through. A block that is silent for a whole lease is rolled back.
        """
        async with self.pool.acquire() as connection:
            try:
                async with connection.transaction():
                    await self._lock_checkpoint(connection)
                    yield connection
            except asyncpg.PostgresError:
                # PgBouncer, as late as 1.25, loses count of a connection whose COPY PostgreSQL refused before its end
                # had come (its #1471): some statements would fail on it from now on.
                connection.terminate()
                raise

    async def checkpoint_state(self) -> Any:
        """What an earlier attempt of this run saved last, or None."""
        async with self.pool.acquire() as connection, connection.transaction():
            return orjson.loads(await self._lock_checkpoint(connection))

    async def save_checkpoint(self, connection: Connection, state: object) -> None:
        """Within `fenced`: remember how far the effects came; commits with them."""
        await checkpoints.save_checkpoint(connection, self.id, dumps(state).decode())

    async def _lock_checkpoint(self, connection: Connection) -> str:
        try:
            state = await checkpoints.lock_checkpoint_if_held(
                connection, self.id, self.run, self._lease.lease_id, self.settings.lease_seconds
            )
        except asyncpg.ForeignKeyViolationError:  # the job itself is gone
            state = None
        if state is None:
            self._lease.stop(Stop.LEASE_LOST)
            raise LeaseLost
        return state
