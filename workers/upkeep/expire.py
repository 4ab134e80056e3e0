"""Cancels the jobs that did not start within their `expires_in`."""

from service.jobs import claims
from workers.runtime import Runtime


async def expire(runtime: Runtime) -> None:
    """Cancel what is too late, page by page."""
    while await claims.expire_unstarted(runtime.pool):
        pass
