"""The job type query_table; docs/query_table.md says what it promises.

The query is a stranger's program: it runs in a process of its own (query/child.py), in an engine that can reach
nothing but the attachment's rows, under limits of memory, disk and time, and is killed when the job ends in any way.
"""

import signal
from pathlib import PurePosixPath

from marshmallow import Schema, fields, validate

from service.jobs.jobtype import AttachmentRule, JobFailed, job_type
from service.sandbox.process import MIB
from service.tables.formats import FORMATS as TABLES
from service.tables.formats import Format, ending
from workers.context import Attachment, JobContext
from workers.jobtypes.query.child import query
from workers.sandbox import sandboxed
from workers.tables import FORMATS, publish_table
from workers.work_folder import work_folder

LONGEST_SQL = 100_000
# A sheet that is read is held in memory whole; a full one of twelve columns takes 1.2 GiB.
MEMORY, MEMORY_OF_SHEETS = 1024 * MIB, 2048 * MIB
LARGEST_FILE = 1024 * MIB
ABORTED = (
    f"was killed by signal {signal.SIGABRT}."  # the libraries' answer when there is no memory in a bad moment
)
MIME_TYPES = {one.mime_type: one for one in Format}


class Params(Schema):
    """What `args` holds."""

    sql = fields.String(
        required=True,
        validate=validate.Length(1, LONGEST_SQL),
        metadata={
            "title": "SQL",
            "description": "One SELECT over the attachment, which is the table `input`, in DuckDB's SQL.",
            "example": "SELECT reason, sum(amount) AS total FROM input GROUP BY ALL ORDER BY total DESC",
        },
    )
    format = fields.Enum(
        Format, by_value=True, required=True, metadata={"description": "The format of the result."}
    )


@job_type(
    "query_table",
    params=Params,
    name="Query a table",
    category="Tables",
    attachment=AttachmentRule(required=True, mime_types=tuple(MIME_TYPES)),
    available_formats=FORMATS,
    timeout_seconds=120,
    example={
        "sql": "SELECT reason, sum(amount) AS total FROM input GROUP BY ALL ORDER BY total DESC",
        "format": "xlsx",
    },
)
async def query_table(job: JobContext) -> None:
    """Run one SQL query over the attachment (csv, xlsx, json or parquet; it is the table `input`)."""
    wanted: Format = job.args["format"]
    own = _format(job.attachment)
    async with job.turn(), job.attachment_path() as path, work_folder() as folder:
        job.progress(0, "reading the file", status_text="Reading")
        work = (str(path.absolute()), own.value, job.args["sql"], wanted.value, str(folder))
        memory = MEMORY_OF_SHEETS if own is Format.XLSX else MEMORY
        try:
            async with sandboxed(query, *work, memory=memory, largest_file=LARGEST_FILE) as items:
                count = int(await anext(items))
                job.progress(30, f"{count} rows to query", status_text="Running")
                await publish_table(job, items, _stem(job.attachment), wanted, lambda rows: _tell(job, rows))
        except JobFailed as failed:
            raise _told(failed) from failed


def _format(attachment: Attachment | None) -> Format:
    """The attachment's format, by its name, else by its type."""
    if attachment is None:
        raise JobFailed("no_attachment", "The job has no attachment.")
    if (named := ending(attachment.name)) in TABLES:
        return Format(named)
    if (declared := MIME_TYPES.get(attachment.mime_type)) is not None:
        return declared
    raise JobFailed(
        "no_table", "The attachment is none of csv, xlsx, json and parquet, by its name and type."
    )


def _stem(attachment: Attachment | None) -> str:
    return PurePosixPath(attachment.name if attachment else "").stem or "result"


def _tell(job: JobContext, rows: int) -> None:
    job.progress(60, f"row {rows} of the result", status_text="Writing")


def _told(failed: JobFailed) -> JobFailed:
    """The same in words of queries."""
    if failed.code in ("out_of_memory", "too_large"):
        return JobFailed("query_too_large", failed.message)
    if failed.code == "process_failed" and failed.message.endswith(ABORTED):
        return JobFailed("query_too_large", "The query needs more memory than its process may have.")
    if failed.code == "process_failed":
        return JobFailed("query_failed", f"The query brought its process down. {failed.message}")
    return failed
