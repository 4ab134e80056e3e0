"""Fetching an attachment that was given as a URL: once a job, before its coroutine runs, within its attempt."""

from uuid import UUID

import asyncpg

from service.errors import OutboundFailed
from service.files.names import UNKNOWN_TYPE, clean_name, disposition_parameters, media_type
from service.files.room import room_of
from service.files.store import insert_file
from service.jobs.attachment import Address
from service.web.outbound import OutboundClient, OutboundResponse
from workers.context import Attachment, JobContext
from workers.lease import LeaseLost

_GOOD = range(200, 300)


async def fetch_attachment(job: JobContext, row: asyncpg.Record) -> None:
    """Store what the URL of a claimed job holds, unless an earlier attempt or run has; `job.attachment` is it then.

    A name and a type that the client gave stay; what it left open is taken from the answer, else from the URL.
    Raises OutboundRefused, OutboundFailed, TooLarge, CapExceeded, StorageFull, LeaseLost.
    """
    if row["attachment_url"] is None or job.attachment is not None:
        return
    job.progress(status_text="Fetching the attachment")
    client = OutboundClient(job.settings.outbound_allow)
    async with client.get(row["attachment_url"]) as response:
        if response.status not in _GOOD:
            raise OutboundFailed(f"{response.url.host} answers with status {response.status}")
        room = await room_of(job.pool, job.tenant_id)
        async with room.create(job.storage, None) as writer:
            async for chunk in response.iter_chunks(job.settings.max_attachment):
                await writer.write(chunk)
    given: str | None = row["attachment_name"]
    name = clean_name(given) if given else name_of(response, Address(row["attachment_url"]).name)
    mime_type = row["attachment_mime_type"] or mime_type_of(response, name)
    file_id = await insert_file(
        job.pool,
        tenant_id=job.tenant_id,
        name=name,
        mime_type=mime_type,
        blob=writer.blob,
        created_by=job.created_by,
    )
    if not await attach_if_held(job.pool, job.id, row["lease_id"], file_id, name, mime_type):
        raise LeaseLost  # the file's row expires, and purge takes the bytes
    job.attachment = Attachment(name, mime_type, writer.blob.size, writer.blob.key)
    job.progress(status_text="")  # the coroutine's own begins


ATTACH = """
WITH held AS (
    UPDATE jobs SET version = version + 1, updated_at = now() WHERE id = $1 AND lease_id = $2 RETURNING id
), kept AS (
    UPDATE files SET expires_at = NULL FROM held WHERE files.id = $3
)
UPDATE job_requests SET attachment_file_id = $3, attachment_name = $4, attachment_mime_type = $5
FROM held WHERE job_requests.job_id = held.id
RETURNING job_id
"""


async def attach_if_held(
    connection: asyncpg.Pool, job_id: UUID, lease_id: UUID, file_id: UUID, name: str, mime_type: str
) -> bool:
    """Make a stored file the job's attachment for good; False if the lease is lost, and nothing is written then."""
    return await connection.fetchval(ATTACH, job_id, lease_id, file_id, name, mime_type) is not None


def name_of(response: OutboundResponse, otherwise: str) -> str:
    """The name that the server gives the file; else the other one. Either is cleaned."""
    header = response.headers.get("Content-Disposition", "")
    return clean_name(disposition_parameters(header, ("attachment", "inline")).get("filename") or otherwise)


def mime_type_of(response: OutboundResponse, name: str) -> str:
    """What the server says it is; of one that knows nothing of it, what the name says."""
    declared = media_type(response.headers.get("Content-Type"), name)
    return media_type(None, name) if declared == UNKNOWN_TYPE else declared
