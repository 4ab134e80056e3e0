"""From what a request says of its attachment to a stored file, or to an address that a worker will fetch."""

import asyncio
from typing import Any, TypeAlias
from uuid import UUID

from service.access.principal import Principal
from service.db.connection import Executor
from service.errors import Fault, Invalid, TooLarge
from service.files.names import clean_name, media_type
from service.files.room import room_for
from service.files.store import insert_file, take_attachment
from service.files.upload import Upload, kept_unless_refused
from service.jobs.attachment import Address, Content, parse_file
from service.jobs.core import Core
from service.jobs.jobtype import JobType

LARGE = 262_144  # from this size on, base64 is decoded off the loop

Given: TypeAlias = Content | Address | UUID | Upload | None


async def read_attachment(
    asked: dict[str, Any] | None, upload: Upload | None, job_type: JobType | None
) -> Given:
    """What an AttachmentIn, or the file of a form, amounts to; nothing is stored yet. Raises Invalid."""
    if asked is None:
        if upload is None and job_type is not None and job_type.needs_attachment:
            raise Invalid([Fault("#/attachment", f"the job type {job_type.code} needs an attachment")])
        return upload
    if upload is not None:
        raise Invalid([Fault("#/attachment", "is given twice: as a part and in the job")])
    file_id: UUID | None = asked["id"]
    text: str | None = asked["file"]
    if (text is None) == (file_id is None):
        raise Invalid([Fault("#/attachment", "needs either file or id")])
    if text is None:
        return file_id
    return await asyncio.to_thread(parse_file, text) if len(text) > LARGE else parse_file(text)


async def keep(
    core: Core, principal: Principal, given: Given, asked: dict[str, Any] | None
) -> dict[str, Any]:
    """Store, or look up, what was given: `id` or `url`, `name`, `mime_type`, `size`, `sha256`, `is_new`.

    A new file's row lives a day on its own, and for good once a job names it. Raises Invalid, TooLarge, CapExceeded.
    """
    if given is None:
        return {}
    if isinstance(given, Upload):
        return await _insert(core, principal, given)
    asked = asked or {}
    name = clean_name(asked["name"]) if asked["name"] else None
    mime_type = media_type(asked["mime_type"], name or "") if asked["mime_type"] else None
    if isinstance(given, Address):
        return {"url": given.url, "name": name, "mime_type": mime_type}  # None: whoever fetches it will know
    if isinstance(given, UUID):
        stored = await take_attachment(core.pool, principal.tenant_id, principal.name, given)
        if stored is None:
            raise Invalid([Fault("#/attachment/id", "no such attachment")])
        return {
            "id": given,
            "name": name or stored.name,
            "mime_type": mime_type or (media_type(None, name) if name else stored.mime_type),
            "size": stored.size,
            "sha256": stored.sha256,
        }
    most = core.settings.max_attachment
    if len(given.data) > most:
        raise TooLarge("the attachment", most)
    room = await room_for(core.pool, principal)
    async with room.create(core.storage, most) as writer:
        await writer.write(given.data)
    name = name or clean_name(None)
    upload = Upload(writer.blob, name, mime_type or media_type(given.mime_type, name))
    async with kept_unless_refused(core.storage, upload):
        return await _insert(core, principal, upload)


async def store_attachment(core: Core, principal: Principal, asked: dict[str, Any]) -> dict[str, Any]:
    """Read an AttachmentIn and keep it, at once."""
    return await keep(core, principal, await read_attachment(asked, None, None), asked)


async def _insert(core: Core, principal: Principal, upload: Upload) -> dict[str, Any]:
    """Write the row of bytes that are stored."""
    file_id = await insert_file(
        core.pool,
        tenant_id=principal.tenant_id,
        name=upload.name,
        mime_type=upload.mime_type,
        blob=upload.blob,
        created_by=principal.name,
    )
    return {
        "id": file_id,
        "name": upload.name,
        "mime_type": upload.mime_type,
        "size": upload.blob.size,
        "sha256": upload.blob.sha256,
        "is_new": True,
    }


# Marked, not deleted: purge looks whether a job holds it.
LET_GO = "UPDATE files SET expires_at = now() WHERE id = $1"


async def let_go(connection: Executor, file_id: UUID) -> None:
    """Leave a file to purge, unless a job holds it."""
    await connection.execute(LET_GO, file_id)
