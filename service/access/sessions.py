"""Sessions of the dashboard: a cookie instead of a key, for browsers alone.

A session is its key's: it may do what the key may, and dies with it. A browser begins one with a key that somebody
typed, or with a ticket, which works once and stands in an address that `lavori dev` prints. Who comes by a provider
(login_routes.py) gets one that is the person's own, for an hour.
"""

from aiohttp import web
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from service.access import cookie, session_store
from service.access.access_tokens import is_access_token
from service.access.audit import origin_of, record
from service.access.identities import IDENTITIES
from service.access.middleware import open_to_all, principal_of
from service.access.principal import Principal
from service.access.tokens import LONGEST, may_be_a_session
from service.errors import Forbidden, NotFound, Unauthenticated, UnsupportedMediaType
from service.keys import POOL
from service.web.described import Shown
from service.web.payload import json_response, no_query, read_body


class SessionIn(Schema):
    """How to log in: by a key, or by a ticket."""

    key = fields.String(validate=validate.Length(1, LONGEST))
    ticket = fields.String(validate=validate.Length(1, LONGEST))

    @validates_schema
    def _one(self, data: dict[str, str], **_: object) -> None:
        if len(data) != 1:
            raise ValidationError("needs either key or ticket")


class SessionOut(Shown):
    """A session that has begun: whose it is, and until when."""

    tenant = fields.String()
    principal = fields.String()
    expires_at = fields.AwareDateTime()


class TicketOut(Shown):
    """A ticket: whoever has it begins one session, as its maker."""

    ticket = fields.String()
    expires_at = fields.AwareDateTime()


_SESSION_IN = SessionIn()


@open_to_all
async def create_session(request: web.Request) -> web.Response:
    """POST /api/session: 201, with the cookie of a new session."""
    no_query(request)
    cookie.refuse_other_sites(request)
    if request.content_type != "application/json":
        # What a page of another origin can't send without being asked.
        raise UnsupportedMediaType("expected application/json")
    given = await read_body(request, _SESSION_IN)
    async with request.app[POOL].acquire() as connection, connection.transaction():
        if "ticket" in given:
            known = may_be_a_session(given["ticket"])
            caller = await session_store.use_ticket_if_new(connection, given["ticket"]) if known else None
        else:
            lasts = not is_access_token(given["key"])  # an hour must not become a week
            caller = await request.app[IDENTITIES].of(given["key"]) if lasts else None
        if caller is None:
            what = (
                "ticket is unknown, used or over"
                if "ticket" in given
                else "key is unknown, expired or revoked"
            )
            raise Unauthenticated(f"the {what}")
        _need_a_key(caller)
        token, expires_at = await session_store.insert_session(
            connection, caller, session_store.SESSION_SECONDS
        )
        await record(connection, caller, "create", "session", None, None, origin_of(request))
    shown = {"tenant": caller.tenant_code, "principal": caller.name, "expires_at": expires_at}
    response = json_response(shown, status=201)
    cookie.give(request, response, token, expires_at, session_store.SESSION_SECONDS)
    return response


async def delete_session(request: web.Request) -> web.Response:
    """DELETE /api/session: 204; the session of the request's cookie is over. 404 without one."""
    no_query(request)
    caller, token = principal_of(request), cookie.session_of(request)
    async with request.app[POOL].acquire() as connection, connection.transaction():
        if not token or not await session_store.delete_session(connection, token, caller):
            raise NotFound("the request bears no cookie of a session")
        await record(connection, caller, "delete", "session", None, None, origin_of(request))
    request.app[IDENTITIES].forget()
    response = web.Response(status=204)
    cookie.take(request, response)
    return response


async def create_ticket(request: web.Request) -> web.Response:
    """POST /api/session/tickets: 201 with a ticket, which logs one browser in, once, within the hour."""
    no_query(request)
    caller = principal_of(request)
    if is_access_token(request.headers.get("Authorization", "").rpartition(" ")[2]):
        raise Forbidden("a session is of an API key, and this is an access token")
    _need_a_key(caller)
    async with request.app[POOL].acquire() as connection, connection.transaction():
        ticket, expires_at = await session_store.insert_session(
            connection, caller, session_store.TICKET_SECONDS, is_ticket=True
        )
        await record(connection, caller, "create", "ticket", None, None, origin_of(request))
    return json_response({"ticket": ticket, "expires_at": expires_at}, status=201)


def _need_a_key(caller: Principal) -> None:
    if caller.key_id is None:
        raise Forbidden("a session is of an API key, and this is none")


routes = [
    web.post("/api/session", create_session),
    web.delete("/api/session", delete_session),
    web.post("/api/session/tickets", create_ticket),
]
