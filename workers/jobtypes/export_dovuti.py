"""The job type export_dovuti; docs/export_dovuti.md says what it promises.

One COPY brings the dues to a file on this machine, as fast as PostgreSQL gives them: its snapshot is the report's, and
the connection is free again before the slow part begins, which a child process does (dovuti/report.py).
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from marshmallow import Schema, fields, validate

from service.db.pool import UNREACHABLE
from service.errors import Unavailable
from service.files.disk import told_apart
from service.jobs.jobtype import JobFailed, job_type
from service.tables.formats import MOST_ROWS_OF_A_SHEET, TOO_MANY_ROWS, Format
from workers.context import JobContext
from workers.jobtypes.dovuti.report import report
from workers.sandbox import sandboxed
from workers.tables import FORMATS, LARGEST, publish_table
from workers.work_folder import work_folder

STATUSES = ("open", "expired")
COPY_SECONDS = 600
BROUGHT = 40  # percent of the work that is done when the lines are here
PIECE = 1 << 20


class Day(fields.Date):
    """A date; of a moment, which is taken too, its date in UTC."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> date:
        if isinstance(value, str) and "T" in value:
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                raise self.make_error("invalid", input=value, obj_type="date") from None
            return (moment.astimezone(UTC) if moment.tzinfo else moment).date()
        return super()._deserialize(value, attr, data, **kwargs)


class Params(Schema):
    """What `args` holds."""

    service_id = fields.UUID(required=True, metadata={"description": "The service that the dues belong to."})
    format = fields.Enum(
        Format, by_value=True, required=True, metadata={"description": "The format of the report."}
    )
    created_from = Day(
        load_default=None,
        metadata={"description": "The first day on which a due may be created; all before when null."},
    )
    created_to = Day(
        load_default=None,
        metadata={"description": "The last day on which a due may be created; all after when null."},
    )
    status = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.OneOf(STATUSES),
        metadata={"description": "Only dues that can still be paid in time (open), or no longer (expired)."},
    )


# A due is open through the day on which it expires; $3 is today.
DUES = """
SELECT service_id, notice_number, iuv, amount, reason, created_at, expire_at,
       CASE WHEN expire_at >= $3 THEN 'open' ELSE 'expired' END AS status,
       payer_type, payer_tax_identification_number, payer_name, payer_email
FROM dovuti
WHERE tenant_id = $1 AND service_id = $2
  AND created_at BETWEEN coalesce($4::date, '-infinity') AND coalesce($5::date, 'infinity')
  AND ($6::text IS NULL OR $6 = CASE WHEN expire_at >= $3 THEN 'open' ELSE 'expired' END)
ORDER BY notice_number
"""


@job_type(
    "export_dovuti",
    params=Params,
    name="Export dues",
    category="Exports",
    sub_category="Dovuti",
    available_formats=FORMATS,
    max_attempts=3,
    example={
        "service_id": "5f0c3c1e-6f0b-4a0e-9f39-1d1b7a6a2a11",
        "format": "xlsx",
        "created_from": "2026-01-01",
        "created_to": "2026-12-31",
        "status": "open",
    },
)
async def export_dovuti(job: JobContext) -> None:
    """Make a report of the dues of one service as csv, xlsx, json or parquet, by notice number."""
    wanted: Format = job.args["format"]
    async with job.turn(), work_folder() as folder:
        job.progress(0, status_text="Reading")
        lines = folder / "lines"
        count = await _bring(job, lines)
        if wanted is Format.XLSX and count > MOST_ROWS_OF_A_SHEET:
            raise JobFailed("too_large", f"{TOO_MANY_ROWS} The report has {count}.")
        job.progress(BROUGHT, f"row 0 of {count}", status_text="Writing")

        def told(rows: int) -> None:
            job.progress(BROUGHT + (99 - BROUGHT) * rows / max(count, 1), f"row {rows} of {count}")

        async with sandboxed(report, str(lines), wanted.value, str(folder), largest_file=LARGEST) as items:
            await publish_table(job, items, "dovuti", wanted, told)


async def _bring(job: JobContext, path: Path) -> int:
    """Copy the dues into a file, as CSV without a header; answers how many they are."""
    sink = _Lines(job, path)
    try:
        async with job.pool.acquire() as connection:
            done: str = await connection.copy_from_query(
                DUES,
                job.tenant_id,
                job.args["service_id"],
                job.started_at.astimezone(UTC).date(),
                job.args["created_from"],
                job.args["created_to"],
                job.args["status"],
                output=sink.take,
                format="csv",
                timeout=COPY_SECONDS,
            )
    except UNREACHABLE as error:
        raise Unavailable("PostgreSQL does not give the dues") from error
    await sink.flush()
    return int(done.rpartition(" ")[2])


class _Lines:
    """Writes what comes to a file, a MiB at a time, and says how much it was."""

    def __init__(self, job: JobContext, path: Path) -> None:
        self._job, self._path = job, path
        self._buffer = bytearray()
        self._rows = 0

    async def take(self, data: bytes) -> None:
        """Take some lines."""
        self._rows += data.count(b"\n")
        self._buffer += data
        if len(self._buffer) >= PIECE:
            await self.flush()
            self._job.progress(running_output=f"row {self._rows} read")

    async def flush(self) -> None:
        """Write what is there; the file is made even if that is nothing."""
        data, self._buffer = self._buffer, bytearray()
        await asyncio.to_thread(_append, self._path, data)


def _append(path: Path, data: bytearray) -> None:
    with told_apart(), path.open("ab") as file:
        file.write(data)
