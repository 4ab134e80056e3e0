"""The job type import_dovuti; docs/import_dovuti.md says what it promises.

Two processes work at once: a child reads and judges the rows (dovuti/parse.py), and this one, which does hardly
anything, passes them on to PostgreSQL (dovuti/load.py). Each batch commits together with the counts so far, behind the
job's fence: whatever is killed when, each row takes effect and is counted once. A next attempt reads the file from the
start again for the rejected rows, and imports what comes after the last batch that was committed.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from operator import itemgetter

import asyncpg
import structlog
from marshmallow import Schema, fields, validate

from service.db.connection import Connection
from service.db.pool import UNREACHABLE
from service.errors import Unavailable
from service.files.storage import BlobWriter
from service.jobs.jobtype import AttachmentRule, JobFailed, job_type
from workers.context import JobContext
from workers.jobtypes.dovuti import load
from workers.jobtypes.dovuti.parse import Batch, Opening, parse
from workers.sandbox import sandboxed

log = structlog.get_logger()

FORMATS = ("csv", "xlsx", "json", "parquet")
PASSING_TROUBLE = (*UNREACHABLE, asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError)
TRIES, PAUSE_SECONDS = 60, 0.5  # the lease ends before, when PostgreSQL stays away


class Params(Schema):
    """What `args` holds."""

    service_id = fields.UUID(required=True, metadata={"description": "The service that the dues belong to."})
    validate_only = fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        metadata={
            "description": "Write nothing; count what would be imported, and tell what would be rejected."
        },
    )
    on_duplicate = fields.String(
        load_default="update",
        validate=validate.OneOf(("update", "skip", "reject")),
        metadata={"description": "What becomes of a row whose notice number has a due already."},
    )


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the rows up to `row`; the checkpoint."""

    row: int = 0
    imported: int = 0
    updated: int = 0
    skipped: int = 0
    rejected: int = 0

    def after(self, batch: Batch, good: int, added: int, on_duplicate: str) -> "Tally":
        """With a batch of `good` notice numbers, of which `added` had no due before."""
        there = good - added
        return replace(
            self,
            row=batch.last_row,
            imported=self.imported + added,
            updated=self.updated + (there + batch.repeated if on_duplicate == "update" else 0),
            skipped=self.skipped + (there + batch.repeated if on_duplicate == "skip" else 0),
            rejected=self.rejected + len(batch.rejected) + (there if on_duplicate == "reject" else 0),
        )


@job_type(
    "import_dovuti",
    params=Params,
    name="Import dues",
    category="Imports",
    sub_category="Dovuti",
    attachment=AttachmentRule(required=True, mime_types=("text/csv",)),
    available_formats=FORMATS,
    example={"service_id": "5f0c3c1e-6f0b-4a0e-9f39-1d1b7a6a2a11", "on_duplicate": "update"},
)
async def import_dovuti(job: JobContext) -> dict[str, int]:
    """Import a CSV of payment dues into one service.

    Rows with faults are left out and published with the reasons as rejected.csv. The output counts the rows: total,
    imported (new dues), updated, skipped, rejected. With validate_only nothing is written, and the output counts what
    an import would do now: imported are the rows that would be new dues.
    """
    job.progress(0, status_text="Importing")
    run = _Import(job)
    tally = await run.whole_file()
    job.progress(99, f"row {tally.row} of {tally.row}")
    if 0 < tally.row == tally.rejected:
        raise JobFailed(
            "no_good_row",
            f"None of the {tally.row} rows could be imported; rejected.csv says why, row by row.",
        )
    counts = asdict(tally)
    return {"total": counts.pop("row"), **counts}


class _Import:
    """One attempt at one file."""

    def __init__(self, job: JobContext) -> None:
        self._job = job
        self._service_id = job.args["service_id"]
        self._on_duplicate: str = job.args["on_duplicate"]
        self._validate_only: bool = job.args["validate_only"]
        self._all_absent_so_far = True
        self._tally = Tally()

    async def whole_file(self) -> Tally:
        """Import the attachment; answers what became of all its rows."""
        job = self._job
        if not self._validate_only:
            await self._catch_up()
        prefix = None if self._validate_only else f"{job.tenant_id}\t{self._service_id}\t{job.id}\t"
        today = job.started_at.date().isoformat()  # in UTC
        async with AsyncExitStack() as stack:
            path = await stack.enter_async_context(job.attachment_path())
            items = await stack.enter_async_context(
                sandboxed(parse, str(path), today, self._on_duplicate, prefix, self._tally.row)
            )
            opening = Opening.decode(await anext(items))
            rejected: BlobWriter | None = None
            async for batch in _batches(items):
                lines = batch.rejected + await self._take(batch)
                if lines and rejected is None:
                    rejected = await stack.enter_async_context(
                        job.create_output("rejected.csv", "text/csv", formats=FORMATS)
                    )
                    await rejected.write(opening.head.encode())
                if lines and rejected is not None:
                    await rejected.write(
                        "".join(line for _, line in sorted(lines, key=itemgetter(0))).encode()
                    )
                self._report(batch, opening.expected)
        return self._tally

    def _report(self, batch: Batch, expected: int) -> None:
        size = self._job.attachment.size if self._job.attachment else 0
        self._job.progress(
            100 * batch.position / max(size, 1), f"row {batch.last_row} of {max(batch.last_row, expected)}"
        )

    async def _take(self, batch: Batch) -> list[tuple[int, str]]:
        """Import, look up or only remember a batch; answers the lines of the rows whose dues were there, to reject."""
        job = self._job
        if self._validate_only:
            there = await self._look_up(batch)
        elif batch.last_row > self._tally.row:
            there = await self._commit(batch)
        elif self._on_duplicate == "reject":
            there = await load.duplicates(job.pool, job.id, job.run, batch.last_row)
        else:
            return []
        if self._on_duplicate != "reject":
            return []
        return [(row, line) for row, _, line in batch.candidates if row in there]

    async def _look_up(self, batch: Batch) -> set[int]:
        notices = [notice for _, notice, _ in batch.candidates]
        there = await load.present(self._job.pool, self._job.tenant_id, self._service_id, notices)
        self._tally = self._tally.after(batch, len(notices), len(notices) - len(there), self._on_duplicate)
        return {row for row, notice, _ in batch.candidates if notice in there}

    async def _commit(self, batch: Batch) -> set[int]:
        """Write a batch and the tally with it, once; answers the rows whose dues were there.

        A due may be there, against the guess that none is: then it is tried again in the way that minds it. PostgreSQL
        may restart, or somebody else may hold the same dues: then too, and first of all it looks whether the
        transaction was committed and only the answer was lost.
        """
        there: set[int] = set()
        for _ in range(TRIES):
            try:
                there = await self._commit_once(batch)
            except asyncpg.UniqueViolationError:
                if not self._all_absent_so_far:
                    raise
                self._all_absent_so_far = False
            except PASSING_TROUBLE as error:
                await self._pause(error)
                await self._catch_up()
            if self._tally.row >= batch.last_row:
                return there
        raise Unavailable("PostgreSQL does not take the rows")

    async def _commit_once(self, batch: Batch) -> set[int]:
        job, on_duplicate = self._job, self._on_duplicate
        async with job.fenced() as connection:
            added, there = await self._write(connection, batch)
            tally = self._tally.after(batch, batch.good, added, on_duplicate)
            if there and on_duplicate == "reject":
                await load.save_duplicates(connection, job.id, job.run, batch.last_row, sorted(there))
            await job.save_checkpoint(connection, asdict(tally))
        self._tally = tally
        return there

    async def _catch_up(self) -> None:
        """Read what was committed last; an earlier attempt that hangs in its transaction keeps this one waiting."""
        for _ in range(TRIES):
            try:
                self._tally = Tally(**(await self._job.checkpoint_state() or {}))
            except PASSING_TROUBLE as error:
                await self._pause(error)
            else:
                return
        raise Unavailable("PostgreSQL can't be reached")

    async def _pause(self, error: Exception) -> None:
        log.warning("an import waits", action="import.waits", job_id=str(self._job.id), error=repr(error))
        await asyncio.sleep(PAUSE_SECONDS)

    async def _write(self, connection: Connection, batch: Batch) -> tuple[int, set[int]]:
        """Write the good rows; answers how many dues are new, and, to reject, the rows of those that were there."""
        if not batch.good:
            return 0, set()
        if self._all_absent_so_far:
            await load.write_absent(connection, batch.lines)
            return batch.good, set()
        there: set[int] = set()
        if self._on_duplicate == "update":
            added = await load.write(connection, batch.lines)
        else:
            absent = await load.write_if_absent(connection, batch.lines)
            added = len(absent)
            there = {row for row, notice, _ in batch.candidates if notice not in absent}
        self._all_absent_so_far = added == batch.good
        return added, there


async def _batches(items: AsyncIterator[bytes]) -> AsyncIterator[Batch]:
    async for item in items:
        yield Batch.decode(item)
