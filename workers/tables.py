"""A table that a job type makes in a process of its own, published in one of the formats that it can be had in.

The child gives what `written` of service/tables/convert.py gives.
"""

from collections.abc import AsyncIterator, Callable

from service.tables.formats import Format
from workers.context import JobContext

FORMATS = tuple(Format)
LARGEST = 4 << 30


async def publish_table(
    job: JobContext, items: AsyncIterator[bytes], stem: str, wanted: Format, told: Callable[[int], None]
) -> None:
    """The worker's side: take the items, tell how many rows are written, and make the file an output of the job."""
    async for item in items:
        if not item:
            break
        told(int(item))
    async with job.create_output(f"{stem}.{wanted}", wanted.mime_type, formats=FORMATS) as writer:
        async for item in items:
            await writer.write(item)
