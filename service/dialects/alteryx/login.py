"""POST /webapi/oauth2/token: an access token for a key, by OAuth 2's client credentials (RFC 6749, section 4.4)."""

from base64 import b64decode
from contextlib import suppress
from urllib.parse import unquote_plus
from uuid import UUID

from aiohttp import hdrs, web
from multidict import MultiDict, MultiMapping

from service.access.access_tokens import SECONDS, is_access_token
from service.access.identities import IDENTITIES
from service.access.limits import count_request
from service.access.middleware import open_to_all
from service.access.principal import NO_CAPS, Principal
from service.errors import Forbidden, Malformed, TooLarge, Unauthenticated, UnsupportedMediaType
from service.web.middleware import close_after_broken_body
from service.web.payload import json_response, read_bytes

LARGEST = 8_192
_NOT_KEPT = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class Refusal(Exception):
    """What RFC 6749, section 5.2, calls an error."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        self.error, self.description, self.status = error, description, status
        super().__init__(description)


@open_to_all
async def token(request: web.Request) -> web.Response:
    """POST /webapi/oauth2/token: an access token of the key whose id and secret are given, for an hour."""
    try:
        client_id, secret = await _credentials(request)
        principal = await _client(request, client_id, secret)
    except Refusal as refusal:
        headers = dict(_NOT_KEPT)
        if refusal.status == Unauthenticated.status:
            headers["WWW-Authenticate"] = 'Basic realm="lavori"'
        told = {"error": refusal.error, "error_description": refusal.description}
        response = json_response(told, status=refusal.status, headers=headers)
        close_after_broken_body(request, response)
        return response
    if principal.caps is not NO_CAPS and principal.caps.limits_requests:
        await count_request(request, principal)
    assert principal.key_id is not None  # noqa: S101 - it was found by the id of its key
    access = await request.app[IDENTITIES].grant(principal.key_id, secret)
    granted = {"access_token": access, "token_type": "bearer", "expires_in": SECONDS}
    return json_response(granted, headers=_NOT_KEPT)


async def _credentials(request: web.Request) -> tuple[str, str]:
    """Id and secret, of the form or of Basic. Raises Refusal."""
    form = await _form(request)
    grant_type = form.get("grant_type")
    if grant_type is None:
        raise Refusal("invalid_request", "grant_type is missing")
    if grant_type != "client_credentials":
        raise Refusal("unsupported_grant_type", "grant_type must be client_credentials")
    given = request.headers.get(hdrs.AUTHORIZATION)
    if given is None:
        return form.get("client_id", ""), form.get("client_secret", "")
    if "client_secret" in form:
        raise Refusal("invalid_request", "the client is named twice, by Basic and by the form")
    return _basic(given)


async def _form(request: web.Request) -> MultiMapping[str]:
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refusal("invalid_request", "the body must be application/x-www-form-urlencoded")
    try:
        body = await read_bytes(request, LARGEST)
    except (Malformed, TooLarge, UnsupportedMediaType) as error:
        raise Refusal("invalid_request", str(error)) from error
    form: MultiDict[str] = MultiDict()
    for pair in filter(None, body.decode(errors="replace").split("&")):
        name, _, value = pair.partition("=")
        form.add(unquote_plus(name), unquote_plus(value))
    if len(form) != len(set(form)):
        raise Refusal("invalid_request", "a parameter is given twice")
    return form


def _basic(header: str) -> tuple[str, str]:
    """What stands in the header; RFC 6749 lets both parts be encoded as in a form. Raises Refusal."""
    scheme, _, encoded = header.partition(" ")
    try:
        named, colon, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        named, colon, secret = "", "", ""
    if scheme.lower() != "basic" or not colon:
        raise Refusal("invalid_client", "the Authorization header must be: Basic <id:secret>", 401)
    return unquote_plus(named), unquote_plus(secret)


async def _client(request: web.Request, client_id: str, secret: str) -> Principal:
    """The key with this id and this secret. Raises Refusal."""
    principal = None
    if not is_access_token(secret):
        with suppress(Unauthenticated, Forbidden):
            principal = await request.app[IDENTITIES].of(secret)
    if principal is None or principal.key_id is None or principal.key_id != _uuid(client_id):
        raise Refusal("invalid_client", "there is no key with this id and secret", 401)
    return principal


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
