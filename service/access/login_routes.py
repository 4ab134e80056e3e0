"""The two steps of logging in at the provider, for browsers: there, and back with a session that lasts an hour.

Open to all, and absent (404) without OIDC_CLIENT_ID.
"""

import structlog
from aiohttp import hdrs, web
from marshmallow import Schema, fields, validate

from service.access import cookie
from service.access.audit import origin_of, record
from service.access.login import BACK, LOGIN, SECONDS, Login, one
from service.access.login_faults import HEADERS, NOT_BEGUN, LoginFailed, response_of
from service.access.middleware import open_to_all
from service.access.session_store import PERSON_SECONDS, insert_session
from service.errors import NotFound, Unavailable
from service.keys import POOL
from service.telemetry.logs import bind_more
from service.web.payload import query

log = structlog.get_logger()


class LoginIn(Schema):
    """Where the dashboard opens afterwards: what stands behind its `#`, so that it can't be another site."""

    place = fields.String(load_default="/", validate=validate.Regexp(r"/[!-~]{0,999}\Z"))


_LOGIN_IN = LoginIn()


@open_to_all
async def begin_login(request: web.Request) -> web.Response:
    """GET /login/oidc: 303 to the provider, with a cookie that knows the login again for ten minutes."""
    login = _login(request)
    cookie.refuse_other_sites(request)
    place = query(request, _LOGIN_IN)["place"]
    try:
        address, kept = await login.begin(place)
    except LoginFailed as failed:
        return _failed(request, login, failed)
    response = web.Response(status=303, headers={**HEADERS, hdrs.LOCATION: address})
    cookie.give_login(request, response, kept, SECONDS)
    return response


@open_to_all
async def finish_login(request: web.Request) -> web.Response:
    """GET /login/oidc/callback: 303 to the dashboard, with the cookie of a new session; only the provider leads here.

    The session is of the person that the provider has told of, and lasts an hour.
    """
    login, words = _login(request), request.query
    try:
        begun = login.begun(cookie.login_of(request), one(words, "state"))
        caller = await login.finish(begun, words)
    except LoginFailed as failed:
        return _failed(request, login, failed)
    bind_more(tenant=caller.tenant_code, principal=caller.name)
    async with request.app[POOL].acquire() as connection, connection.transaction():
        token, expires_at = await insert_session(connection, caller, PERSON_SECONDS)
        await record(connection, caller, "create", "session", None, None, origin_of(request))
    response = web.Response(status=303, headers={**HEADERS, hdrs.LOCATION: f"{login.home}#{begun.place}"})
    cookie.take_login(request, response)
    cookie.give(request, response, token, expires_at, PERSON_SECONDS)
    return response


def _login(request: web.Request) -> Login:
    login = request.app.get(LOGIN)
    if login is None:
        raise NotFound("nobody logs in at a provider here")
    return login


def _failed(request: web.Request, login: Login, failed: LoginFailed) -> web.Response:
    tell = log.warning if failed.fault.error is Unavailable else log.info
    tell("a login failed", action="oidc.login_failed", fault=failed.fault.name, error=failed.reason)
    response = response_of(request, failed, login.home)
    if failed.fault is not NOT_BEGUN:  # another site may have led here: a login under way goes on
        cookie.take_login(request, response)
    return response


routes = [
    web.get("/login/oidc", begin_login),
    web.get(BACK, finish_login, allow_head=False),  # it changes something, once
]
