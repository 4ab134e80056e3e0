"""The job type downloadFile; docs/downloadFile.md says what it promises.

The file comes in pieces (download/fetch.py), each of which is stored and remembered as soon as it is whole; whichever
worker takes the job next asks the server for the rest alone. In the end the pieces are made into one output.
"""

import asyncio
import hashlib
from contextlib import aclosing

from marshmallow import Schema, fields, validate

from service.errors import Unavailable
from service.files.storage import BlobWriter
from service.jobs.jobtype import JobFailed, job_type
from workers.context import JobContext
from workers.jobtypes.download import pieces
from workers.jobtypes.download.fetch import fetch
from workers.jobtypes.download.progress import Progress


class Params(Schema):
    """What `args` holds."""

    url = fields.String(
        required=True,
        validate=validate.Length(1, 8_000),
        metadata={
            "format": "uri",
            "title": "URL",
            "description": "An http or https address on the public Internet, or one that the operator allows.",
            "example": "https://www.example.org/dovuti.csv",
        },
    )
    sha256 = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Regexp(r"[0-9A-Fa-f]{64}\Z", error="Must be 64 hexadecimal digits."),
        metadata={"title": "SHA-256", "description": "What the file must have; else the job fails."},
    )


@job_type(
    "downloadFile",
    params=Params,
    name="Download a file",
    category="Files",
    max_attempts=5,
    example={
        "url": "https://www.example.org/dovuti.csv",
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    },
)
async def download_file(job: JobContext) -> None:
    """Fetch a URL into an output file. A download that was broken off goes on where it stopped."""
    job.progress(0, status_text="Downloading")
    progress = await pieces.begun(job)
    if progress is None or not progress.complete:
        progress = await fetch(job, progress)
    job.progress(99, f"{progress.size} bytes", status_text="Storing")
    async with job.create_output(progress.name, progress.mime_type) as writer:
        digest = await _copy(job, progress, writer)
        if digest != (job.args["sha256"] or digest).lower():
            await pieces.let_go(job, progress)
            raise JobFailed(
                "checksum_mismatch", f"The file's SHA-256 is {digest}, which is not what it must be."
            )
    await pieces.let_go(job, progress)


async def _copy(job: JobContext, progress: Progress, writer: BlobWriter) -> str:
    """Write the pieces, one after the other; answers the SHA-256 of them all."""
    digest = hashlib.sha256()
    for piece in progress.pieces:
        left = piece.size
        async with aclosing(job.storage.read(piece.key, 0, piece.size)) as chunks:
            async for chunk in chunks:
                left -= len(chunk)
                await writer.write(chunk)
                await asyncio.to_thread(digest.update, chunk)
        if left:
            await pieces.let_go(job, progress)
            raise Unavailable("a piece of the download is no longer stored")
    return digest.hexdigest()
