"""Cancels the jobs that did not start within their `expires_in`."""

from service.jobs import claims
from workers.runtime import Runtime


async def expire(runtime: Runtime) -> None:
    """Cancel what is too late, page by page."""
    while rows := await claims.expire_unstarted(runtime.pool):
        for row in rows:
            runtime.dispatcher.changed(row["id"], row["tenant_id"])
