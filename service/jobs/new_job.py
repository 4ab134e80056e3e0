"""From a creation body that was loaded to the row that is inserted. Pure."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from service.access.audit import NOWHERE, Origin
from service.jobs.defined import Definition
from service.jobs.jobtype import JobType
from service.jobs.secret_args import Kept
from service.jobs.states import PRIORITIES
from service.jobs.store import NewJob
from service.web.encoding import dumps


def new_job(
    job_id: UUID,
    tenant_id: int,
    created_by: str,
    ask: Mapping[str, Any],
    job_type: JobType,
    definition: Definition | None,
    args: Kept,
    attached: Mapping[str, Any],
    *,
    key: str | None = None,
    digest: bytes | None = None,
    request_hash: bytes | None = None,
    key_id: UUID | None = None,
    origin: Origin = NOWHERE,
    action: str | None = None,
    is_scheduled: bool = False,
) -> NewJob:
    """`ask` is a JobIn, `attached` what attach.keep has given; what is left open is the type's to say."""
    return NewJob(
        id=job_id,
        tenant_id=tenant_id,
        type=job_type.code,
        definition=definition.code if definition else None,
        queue="default",
        priority=PRIORITIES.index(ask["priority"] or job_type.priority),
        worker_tag=ask["worker_tag"] or None,
        max_attempts=ask["max_attempts"] or job_type.max_attempts,
        timeout_seconds=ask["timeout_seconds"] or job_type.timeout_seconds,
        created_by=created_by,
        args=args.shown,
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
        request_hash=request_hash,
        sealed_args=args.sealed,
        options=definition.options if definition else None,
        key_id=key_id,
        address=origin.address,
        request_id=origin.request_id,
        traceparent=origin.traceparent,
        action=action,
        is_scheduled=is_scheduled,
    )
