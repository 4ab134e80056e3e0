"""Submitting a job, the whole story on one page.

Permission, the body, the type's params, the attachment's bytes; then one statement commits the idempotency
key, the row and its request; after the commit a nudge, which nobody waits for. A 201 means: it is in PostgreSQL.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from service.access.principal import Permission, Principal
from service.errors import Fault, Forbidden, IdempotencyKeyReused, Invalid, TooLarge, UnknownJobType
from service.files.names import clean_name, media_type
from service.files.store import insert_file, take_attachment
from service.files.upload import Upload
from service.jobs import queue
from service.jobs.attachment import Address, parse_file
from service.jobs.core import Core
from service.jobs.idempotency import key_digest, request_hash
from service.jobs.job import Row
from service.jobs.jobtype import JobType
from service.jobs.schemas import JobIn
from service.jobs.states import PRIORITIES, Priority
from service.jobs.store import NewJob, job_of_key, read_jobs
from service.web.payload import dumps, load

OFFERED_AHEAD = timedelta(hours=1)  # what is due later is offered by redeliver when its time comes
LARGE = 262_144  # from this size on, base64 is decoded off the loop

_JOB_IN = JobIn()


@dataclass(frozen=True, slots=True)
class Submission:
    """A body as it came; `upload` is the file of a multipart request, `scope` whose idempotency rules hold."""

    body: Any
    key: str | None = None
    upload: Upload | None = None
    scope: str = "native"


@dataclass(frozen=True, slots=True)
class Submitted:
    """The job, as store.READ gives it; `replayed` when an earlier submission with the same key had made it."""

    row: Row
    replayed: bool


async def submit_job(core: Core, principal: Principal, submission: Submission) -> Submitted:
    """Create a job. Raises Forbidden, Invalid, UnknownJobType, TooLarge, IdempotencyKeyReused."""
    if not principal.may(Permission.JOBS_CREATE):
        raise Forbidden("this needs the permission jobs:create")
    ask = load(_JOB_IN, submission.body)
    job_type = _job_type(core, ask)
    key = _key(ask, submission.key)
    load(job_type.params, ask["args"], "#/args")
    digest = hashed = None
    if key is not None:
        digest = key_digest(
            submission.scope, principal.tenant_id, principal.name, ask["definition"] or job_type.code, key
        )
        hashed = request_hash(submission.body, submission.upload.blob.sha256 if submission.upload else None)
        if (ask["attachment"] or submission.upload) and (
            replay := await _replay(core, principal, digest, hashed)
        ):
            return replay
    attached = await _attach(core, principal, ask, job_type, submission.upload)
    job = NewJob(
        id=uuid7(),
        tenant_id=principal.tenant_id,
        type=job_type.code,
        definition=None,
        queue="default",
        priority=PRIORITIES.index(Priority(ask["priority"] or job_type.priority)),
        worker_tag=ask["worker_tag"] or None,
        max_attempts=ask["max_attempts"] or job_type.max_attempts,
        timeout_seconds=ask["timeout_seconds"] or job_type.timeout_seconds,
        created_by=principal.name,
        args=dumps(ask["args"]).decode(),
        attachment_file_id=attached.get("id"),
        attachment_url=attached.get("url"),
        attachment_name=attached.get("name"),
        attachment_mime_type=attached.get("mime_type"),
        description=ask["description"],
        category=ask["category"] if ask["category"] is not None else job_type.category,
        sub_category=ask["sub_category"] if ask["sub_category"] is not None else job_type.sub_category,
        labels=dumps(ask["labels"]).decode(),
        client_request_id=ask["client_request_id"],
        correlation_id=ask["correlation_id"],
        idempotency_key=key,
        can_rerun=job_type.can_rerun if ask["can_rerun"] is None else ask["can_rerun"],
        run_at=ask["run_at"],
        expires_in=ask["expires_in"],
        publish_link_access_scope=ask["publish_link_access_scope"],
        notify=dumps(ask["notify"]).decode() if ask["notify"] else None,
        root_id=None,
        digest=digest,
        request_hash=hashed,
    )
    return await insert(core, principal, job, attached)


async def insert(core: Core, principal: Principal, job: NewJob, attached: dict[str, Any]) -> Submitted:
    """Commit the job together with its neighbours, then nudge the workers."""
    while True:
        decided = await core.inserting.put(job)
        if decided is not None:
            row = _row(job, decided, attached)
            offer(core, row)
            core.dispatcher.changed(job.id, job.tenant_id)
            return Submitted(row, replayed=False)
        assert job.digest is not None and job.request_hash is not None  # noqa: S101, PT018 - only a key can be taken
        if replay := await _replay(core, principal, job.digest, job.request_hash):
            return replay
        # The job that held the key was deleted between the two statements, which freed it.


def offer(core: Core, row: Row) -> None:
    """Let the workers know of a pending job, unless its time is far off."""
    if row["due_at"] <= datetime.now(UTC) + OFFERED_AHEAD:
        core.dispatcher.nudge(queue.Message.of(row))


def _job_type(core: Core, ask: dict[str, Any]) -> JobType:
    if ask["definition"] is not None:
        raise Invalid([Fault("#/definition", "no such job definition")])
    if ask["type"] is None:
        raise Invalid([Fault("#/type", "Missing data for required field.")])
    job_type = core.job_types.get(ask["type"])
    if job_type is None:
        raise UnknownJobType(
            [Fault("#/type", f"no such job type; installed are: {', '.join(sorted(core.job_types))}")]
        )
    return job_type


def _key(ask: dict[str, Any], header: str | None) -> str | None:
    """The idempotency key: of the header or of the body, and the same where both are given."""
    if header is not None and not (1 <= len(header) <= 64 and header.isprintable()):  # noqa: PLR2004
        raise Invalid([Fault("#/idempotency_key", "Idempotency-Key must be 1 to 64 printable characters")])
    if header is not None and ask["idempotency_key"] not in (None, header):
        raise Invalid([Fault("#/idempotency_key", "differs from the header Idempotency-Key")])
    return header if header is not None else ask["idempotency_key"]


async def _replay(core: Core, principal: Principal, digest: bytes, hashed: bytes) -> Submitted | None:
    """The job that the key stands for, if any; raises IdempotencyKeyReused when its request was another one."""
    known = await job_of_key(core.pool, digest)
    if known is None:
        return None
    if known["request_hash"] != hashed:
        raise IdempotencyKeyReused("this idempotency key was used with another request")
    (row,) = await read_jobs(core.pool, [(known["job_id"], principal.tenant_id)])
    return None if row is None else Submitted(row, replayed=True)


async def _attach(
    core: Core, principal: Principal, ask: dict[str, Any], job_type: JobType, upload: Upload | None
) -> dict[str, Any]:
    attachment = ask["attachment"]
    if upload is not None:
        if attachment:
            raise Invalid([Fault("#/attachment", "is given twice: as a part and in the job")])
        return await _keep(core, principal, upload)
    if attachment is None:
        if job_type.needs_attachment:
            raise Invalid([Fault("#/attachment", f"the job type {job_type.code} needs an attachment")])
        return {}
    return await store_attachment(core, principal, attachment)


async def store_attachment(core: Core, principal: Principal, attachment: dict[str, Any]) -> dict[str, Any]:
    """Store, or look up, what an AttachmentIn names: `id` (or `url`), `name`, `mime_type`, `size`, `sha256`.

    A new file's row lives a day on its own, and for good once a job names it. Raises Invalid, TooLarge.
    """
    if (attachment["file"] is None) == (attachment["id"] is None):
        raise Invalid([Fault("#/attachment", "needs either file or id")])
    if attachment["id"] is not None:
        stored = await take_attachment(core.pool, principal.tenant_id, principal.name, attachment["id"])
        if stored is None:
            raise Invalid([Fault("#/attachment/id", "no such attachment")])
        name = clean_name(attachment["name"]) if attachment["name"] else stored.name
        mime_type = media_type(attachment["mime_type"], name) if attachment["mime_type"] else stored.mime_type
        return _columns(attachment["id"], name, mime_type, stored.size, stored.sha256)
    text = attachment["file"]
    parsed = await asyncio.to_thread(parse_file, text) if len(text) > LARGE else parse_file(text)
    if isinstance(parsed, Address):
        named = clean_name(attachment["name"]) if attachment["name"] else None
        typed = media_type(attachment["mime_type"], named or "") if attachment["mime_type"] else None
        return {"url": parsed.url, "name": named, "mime_type": typed}  # None: whoever fetches it will know
    most = core.settings.max_attachment
    if len(parsed.data) > most:
        raise TooLarge("the attachment", most)
    name = clean_name(attachment["name"])
    async with core.storage.create(most) as writer:
        await writer.write(parsed.data)
    mime_type = media_type(attachment["mime_type"] or parsed.mime_type, name)
    return await _keep(core, principal, Upload(writer.blob, name, mime_type))


async def _keep(core: Core, principal: Principal, upload: Upload) -> dict[str, Any]:
    """Write the row of bytes that are stored."""
    file_id = await insert_file(
        core.pool,
        tenant_id=principal.tenant_id,
        name=upload.name,
        mime_type=upload.mime_type,
        blob=upload.blob,
        created_by=principal.name,
    )
    return _columns(file_id, upload.name, upload.mime_type, upload.blob.size, upload.blob.sha256)


def _columns(file_id: UUID, name: str, mime_type: str, size: int, sha256: bytes) -> dict[str, Any]:
    return {"id": file_id, "name": name, "mime_type": mime_type, "size": size, "sha256": sha256}


def _row(job: NewJob, decided: asyncpg.Record, attached: dict[str, Any]) -> Row:
    """The new job as store.READ would give it: what was asked, what the database decided, and a job's beginnings."""
    return {
        **job._asdict(),
        **decided,
        **_BEGINNINGS,
        "attachment_size": attached.get("size"),
        "attachment_sha256": attached.get("sha256"),
        "modified_by": job.created_by,
    }


_BEGINNINGS: dict[str, Any] = {
    "version": 1,
    "status": "pending",
    "run": 1,
    "attempt": 1,
    "claim": 0,
    "percent_completed": 0,
} | dict.fromkeys(
    (
        "running_output",
        "status_text",
        "response_type",
        "output",
        "error",
        "outputs",
        "link_id",
        "link_expires_at",
        "started_at",
        "terminated_at",
        "cancel_requested_at",
        "purge_at",
    )
)
