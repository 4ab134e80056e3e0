"""Cancels the jobs that did not start within their `expires_in`."""

import structlog

from service.jobs import endings
from service.jobs.states import Status
from workers.runtime import Runtime

log = structlog.get_logger()


async def expire(runtime: Runtime) -> None:
    """Cancel what is too late, page by page."""
    while rows := await endings.expire_unstarted(runtime.pool):
        for row in rows:
            runtime.dispatcher.changed(row["id"], row["tenant_id"])
            runtime.system.finished(row["type"], Status.CANCELLED).inc()
            log.info(
                "too late to start",
                action="job.expired",
                job_id=str(row["id"]),
                tenant_id=row["tenant_id"],
                type=row["type"],
            )
