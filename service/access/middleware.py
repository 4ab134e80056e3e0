"""Who calls: the bearer token of a request, or the session of its cookie, becomes its Principal."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiohttp import hdrs, web

from service.access.cookie import refuse_forgeries, session_of
from service.access.identities import IDENTITIES
from service.access.limits import count_request
from service.access.principal import NO_CAPS, Permission, Principal
from service.errors import Forbidden, Malformed, Unauthenticated
from service.telemetry.logs import bind_more

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
AnyHandler = TypeVar("AnyHandler", bound=Handler)

PRINCIPAL = web.RequestKey("principal", Principal)
CUSTOMER_CODE = "X-Customer-Code"
_SCHEME = "bearer "
_OPEN = "is_open_to_all"


def open_to_all(handler: AnyHandler) -> AnyHandler:
    """Mark a handler that needs no token; it may ask `identify` who calls."""
    setattr(handler, _OPEN, True)
    return handler


def is_open(handler: Handler) -> bool:
    """Whether a handler needs no token."""
    return bool(getattr(handler, _OPEN, False))


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request through to its handler when its token is good, or when the handler is open to all.

    Raises Unauthenticated, Forbidden for another tenant's X-Customer-Code, Malformed for an empty one, and RateLimited.
    Which paths exist is no secret: unknown ones, and wrong methods, pass, to be answered as such.
    """
    match = request.match_info
    if match.http_exception is None and not is_open(match.handler):
        principal = await identify(request)
        if principal is None:
            raise Unauthenticated("this needs a token: Authorization: Bearer <token>")
        if principal.caps is not NO_CAPS and principal.caps.limits_requests:
            await count_request(request, principal)
    return await handler(request)


async def identify(request: web.Request) -> Principal | None:
    """The caller; None when the request has neither an Authorization header nor the cookie of a session that lives.

    Raises as `authenticate` does, and Forbidden where another origin may have sent the cookie along.
    """
    given = request.headers.get(hdrs.AUTHORIZATION)
    if given is None:
        session = session_of(request)
        principal = session and await request.app[IDENTITIES].of_session(session)
        if not principal:
            return None
        refuse_forgeries(request)
    else:
        if given[:7].lower() != _SCHEME:
            raise Unauthenticated("the Authorization header must be: Bearer <token>")
        known, token = request.app[IDENTITIES], given[7:].strip(" ")
        principal = known.recall(token) or await known.of(token)
        if principal is None:
            raise Unauthenticated("the token is unknown, expired or revoked")
    for code in request.headers.getall(CUSTOMER_CODE, ()):
        if not code:
            raise Malformed(f"{CUSTOMER_CODE} is empty")
        if code != principal.tenant_code:
            raise Forbidden(f"{CUSTOMER_CODE} is not the code of the token's tenant")
    request[PRINCIPAL] = principal
    bind_more(tenant=principal.tenant_code, principal=principal.name)
    return principal


def principal_of(request: web.Request) -> Principal:
    """The caller of a request that `authenticate` let through."""
    return request[PRINCIPAL]


def optional_principal_of(request: web.Request) -> Principal | None:
    """The caller, where `identify` has found one."""
    return request.get(PRINCIPAL)


def entitled(request: web.Request, permission: Permission) -> Principal:
    """The caller, who has this permission; raises Forbidden."""
    principal = principal_of(request)
    if not principal.may(permission):
        raise Forbidden(f"this needs the permission {permission}")
    return principal
