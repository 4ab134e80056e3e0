"""What is shown of jobs besides their rows, as a request finds it."""

from uuid import UUID

from aiohttp import web

from service.access.middleware import principal_of
from service.db.connection import Executor
from service.dialects.aims360.wire import Facts
from service.files.keys import SIGNER
from service.jobs.asked import base_url
from service.jobs.core import CORE
from service.keys import SETTINGS

TENANT = "SELECT public_id, database_name, account_code FROM tenants WHERE id = $1"


async def facts_of(request: web.Request, connection: Executor) -> Facts:
    """The facts for the caller of this request."""
    tenant = await connection.fetchrow(TENANT, principal_of(request).tenant_id)
    assert tenant is not None  # noqa: S101 - the caller's key would have gone with it
    return Facts(
        base=base_url(request),
        token=request.app[SIGNER].token,
        client=UUID(str(tenant["public_id"])),
        database=tenant["database_name"],
        account=tenant["account_code"],
        descriptions=descriptions_of(request),
    )


def descriptions_of(request: web.Request) -> dict[str, str]:
    """What the installed types are described as, by code."""
    return {code: one.description for code, one in request.app[CORE].job_types.items()}


def called_at(request: web.Request) -> str:
    """The origin that the client called: as it is known outside, where that is the same host."""
    public = request.app[SETTINGS].public_url
    if public is not None and public.partition("://")[2].partition("/")[0] == request.host:
        return public
    return f"{request.scheme}://{request.host}"
