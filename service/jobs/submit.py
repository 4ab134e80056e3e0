"""Submitting a job, the whole story on one page.

Permission, the body, the type's params, the attachment's bytes; then one statement commits the idempotency
key, the row and its request; after the commit a nudge, which nobody waits for. A 201 means: it is in PostgreSQL.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import asyncpg
from uuid_utils.compat import uuid7

from service.access.audit import NOWHERE, Origin
from service.access.principal import Permission, Principal
from service.errors import (
    CapExceeded,
    Fault,
    Forbidden,
    IdempotencyKeyReused,
    Invalid,
    LavoriError,
)
from service.files.upload import Upload
from service.jobs import queue
from service.jobs.attach import keep, let_go
from service.jobs.check import JOB_IN, all_faults, key_of, load_args, read_given, type_of
from service.jobs.core import Core
from service.jobs.defined import Definition, definition_of
from service.jobs.idempotency import key_digest, request_hashes
from service.jobs.job import Row
from service.jobs.new_job import new_job
from service.jobs.secret_args import Kept, has_secrets, keep_args, place_of
from service.jobs.store import Decided, NewJob, OverCap
from service.jobs.traced import note_job, submission_span
from service.sealing import Unsealable
from service.telemetry.spans import is_traced
from service.web.encoding import dumps
from service.web.payload import load

OFFERED_AHEAD = timedelta(hours=1)  # what is due later is offered by redeliver when its time comes


class Submission(NamedTuple):
    """A body as it came; `upload` is the file of a multipart request, `origin` where it came from, for the audit.

    `needs` is the permission to submit so. `scope` is whose idempotency rules hold: keys of different ones never meet.
    With `by_key_alone` a key that is known stands for its job whatever else is asked now, be it nonsense.
    `action` is kept with the job, and means nothing here.
    """

    body: Any
    key: str | None = None
    upload: Upload | None = None
    scope: str = "native"
    origin: Origin = NOWHERE
    needs: Permission = Permission.JOBS_CREATE
    by_key_alone: bool = False
    action: str | None = None


class Submitted(NamedTuple):
    """The job, as store.READ gives it; `replayed` when an earlier submission with the same key had made it."""

    row: Row
    replayed: bool


class Prepared(NamedTuple):
    """A job that is ready for the database: `attached` is what attach.keep gave, `hashes` those of its request."""

    job: NewJob
    attached: dict[str, Any]
    hashes: Sequence[bytes] = ()


async def submit_job(core: Core, principal: Principal, submission: Submission) -> Submitted:
    """Create a job. Raises Forbidden, Invalid, UnknownJobType, TooLarge, CapExceeded, IdempotencyKeyReused."""
    try:
        prepared = await prepare(core, principal, submission)
        if isinstance(prepared, Submitted):
            return prepared
        submitted = None
        try:
            submitted = await insert(core, principal, prepared)
        finally:
            attached = prepared.attached
            if attached.get("is_new") and (submitted is None or submitted.replayed):
                await let_go(core.pool, attached["id"])  # purge looks whether a job holds it after all
    except Exception as error:
        count_failure(core, submission, error)
        raise
    return submitted


def count_failure(core: Core, submission: Submission, error: Exception) -> None:
    """Count a submission that came to nothing."""
    refused = isinstance(error, LavoriError) and error.status < 500  # noqa: PLR2004
    code = submission.body.get("type") if isinstance(submission.body, dict) else None
    known = isinstance(code, str) and code in core.job_types
    core.metrics.submitted(code if known else "unknown", "refused" if refused else "failed").inc()


async def prepare(core: Core, principal: Principal, submission: Submission) -> Prepared | Submitted:
    """All that comes before the commit; the job itself where an attachment's key was known. Raises as submit_job."""
    if not principal.may(submission.needs):
        raise Forbidden(f"this needs the permission {submission.needs}")
    asked = submission.body
    definition = await _definition(core, principal, asked)
    if definition is not None:
        submission = submission._replace(body=_completed(core, definition, asked))
    try:
        ask = load(JOB_IN, submission.body)
        job_type = type_of(core.job_types, ask["type"], ask["definition"], definition)
        load_args(job_type, ask["args"])
        key = key_of(ask["idempotency_key"], submission.key)
        given = await read_given(ask["attachment"], submission.upload, job_type, definition)
    except Invalid as first:
        raise await all_faults(
            core, principal, submission.body, submission.key, submission.upload, definition, first
        ) from None
    has_secret_args = has_secrets(job_type.params)
    digest = None
    hashes: tuple[bytes, ...] = ()
    if key is not None:
        digest = key_digest(
            submission.scope, principal.tenant_id, principal.name, ask["definition"] or job_type.code, key
        )
        hashes = (
            (digest,)
            if submission.by_key_alone
            else request_hashes(
                asked,
                submission.upload.blob.sha256 if submission.upload else None,
                core.settings.secret_keys if has_secret_args else (),
            )
        )
        if given is not None and (replay := await _replay(core, principal, digest, hashes)):
            if submission.upload:
                await core.storage.delete(submission.upload.blob.key)
            return replay
    attached = await keep(core, principal, given, ask["attachment"])
    if definition is not None and given is None:
        attached = definition.attached()
    job_id = uuid7()
    args = (
        keep_args(core.sealer, job_type.params, ask["args"], place_of(principal.tenant_id, job_id))
        if has_secret_args
        else Kept(dumps(ask["args"]).decode(), None)
    )
    job = new_job(
        job_id,
        principal.tenant_id,
        principal.name,
        ask,
        job_type,
        definition,
        args,
        attached,
        key=key,
        digest=digest,
        request_hash=hashes[0] if hashes else None,
        key_id=principal.key_id,
        origin=submission.origin,
        action=submission.action,
    )
    return Prepared(job, attached, hashes)


async def insert(core: Core, principal: Principal, prepared: Prepared) -> Submitted:
    """Commit the job together with its neighbours, then nudge the workers. Raises CapExceeded."""
    if not is_traced():
        return await _insert(core, principal, prepared)
    with submission_span(prepared.job.type) as submitting:
        assert submitting is not None  # noqa: S101 - there is a tracer
        job = prepared.job._replace(traceparent=submitting.traceparent)
        submitted = await _insert(core, principal, prepared._replace(job=job))
        note_job(submitting, submitted.row["id"], replayed=submitted.replayed)
        return submitted


async def _insert(core: Core, principal: Principal, prepared: Prepared) -> Submitted:
    while True:
        decided = await begin_insert(core, principal, prepared.job)
        if submitted := inserted(core, principal, prepared, decided):
            return submitted
        assert prepared.job.digest is not None  # noqa: S101 - only a key can be taken
        if replay := await _replay(core, principal, prepared.job.digest, prepared.hashes):
            return replay
        # The job that held the key was deleted between the two statements, which freed it.


def begin_insert(core: Core, principal: Principal, job: NewJob) -> asyncio.Future[Any]:
    """Let a job travel to the database with its neighbours; the future has what `inserted` takes."""
    return (core.inserting if principal.caps.queued is None else core.inserting_within).put(job)


def inserted(core: Core, principal: Principal, prepared: Prepared, decided: Decided) -> Submitted | None:
    """Nudge the workers and tell who watches; None where the job's key was taken. Raises CapExceeded."""
    if isinstance(decided, OverCap):
        raise CapExceeded("queued", decided.cap)
    if decided is None:
        return None
    job = prepared.job
    row = _row(job, decided, prepared.attached)
    if principal.caps.running is None or row["due_at"] > row["created_at"]:
        offer(core, row)
    else:
        core.capped.nudge(job.tenant_id)
    core.dispatcher.changed(job.id, job.tenant_id)
    core.metrics.submitted(job.type, "created").inc()
    if core.info:
        core.info(
            {"action": "job.submitted", "job_id": str(job.id), "type": job.type, "event": "job submitted"}
        )
    return Submitted(row, replayed=False)


def offer(core: Core, row: Row) -> None:
    """Let the workers know of a pending job that has just changed, unless its time is far off.

    Both times are the database's: this machine's clock may be hours away.
    """
    if row["due_at"] <= row["updated_at"] + OFFERED_AHEAD:
        core.dispatcher.nudge(queue.Message.of(row))


async def _definition(core: Core, principal: Principal, body: Any) -> Definition | None:
    """The definition that a creation body names; None also for one that is not there, which type_of refuses."""
    code = body.get("definition") if isinstance(body, dict) else None
    return await definition_of(core.defining, principal, code) if isinstance(code, str) else None


def _completed(core: Core, definition: Definition, body: dict[str, Any]) -> dict[str, Any]:
    try:
        return definition.completed(body, core.sealer)
    except Unsealable:
        lost = "its secret args cannot be opened any more, as their key is gone: give them to it anew"
        raise Invalid([Fault("#/definition", lost)]) from None


async def job_of_key(
    core: Core, principal: Principal, scope: str, subject: str, key: str
) -> Submitted | None:
    """The job that the caller's key stands for in a scope where keys alone count; None while it is free."""
    digest = key_digest(scope, principal.tenant_id, principal.name, subject, key)
    return await _replay(core, principal, digest, (digest,))


async def _replay(
    core: Core, principal: Principal, digest: bytes, hashes: Sequence[bytes]
) -> Submitted | None:
    """The job that the key stands for, if any; raises IdempotencyKeyReused when its request was another one."""
    known = await core.replaying.put(digest)
    if known is None:
        return None
    if known["request_hash"] not in hashes:
        raise IdempotencyKeyReused("this idempotency key was used with another request")
    row = await core.reader.row(principal.tenant_id, known["job_id"])
    if row is None:
        return None
    core.metrics.submitted(row["type"], "replayed").inc()
    return Submitted(row, replayed=True)


def _row(job: NewJob, decided: asyncpg.Record, attached: dict[str, Any]) -> Row:
    """The new job as store.READ would give it: what was asked, what the database decided, and a job's beginnings."""
    row = _BEGINNINGS.copy()
    row.update(zip(NewJob._fields, job, strict=True))
    row.update(decided.items())
    row["attachment_size"] = attached.get("size")
    row["attachment_sha256"] = attached.get("sha256")
    row["modified_by"] = job.created_by
    return row


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
        "link_created_at",
        "link_expires_at",
        "started_at",
        "terminated_at",
        "cancel_requested_at",
        "purge_at",
        "worker_id",
    )
)
