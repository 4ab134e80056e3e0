"""Logging in at an OpenID provider: authorization code flow with PKCE, by the server (docs/decisions/0018-login.md).

What a login has to remember until the browser is back stands in a cookie of that browser, sealed; nothing of it is
kept here, so that whoever begins logins without end fills nothing.
"""

import asyncio
import re
import time
from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from urllib.parse import quote_plus, urlencode

import orjson
from aiohttp import web
from multidict import MultiMapping
from yarl import URL

from service.access.issuer import MOST_BYTES, Provider
from service.access.login_faults import (
    AWAY,
    DENIED,
    MIXED_UP,
    NOBODY,
    NOT_BEGUN,
    UNTRUSTED,
    USED,
    LoginFailed,
)
from service.access.oidc import Oidc
from service.access.principal import Principal
from service.errors import Forbidden, LavoriError, Unauthenticated
from service.sealing import Sealer, Unsealable
from service.settings import Settings
from service.web.encoding import dumps
from service.web.outbound import OutboundClient

SECONDS = 600
"""How long somebody may take at the provider."""
PROVIDER_SECONDS = 10.0
"""How long the provider may take with all that it is asked for one answer to the browser."""
BACK = "/login/oidc/callback"
OK = 200
_PLACE = "a login under way"
_ERROR = re.compile(r"[a-z_]{1,40}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Begun:
    """A login under way: `place` is where the dashboard then opens, `until` in seconds since 1970."""

    state: str
    nonce: str
    verifier: str
    place: str
    until: int


class Login:
    """Sends browsers to the provider of the settings, and tells who comes back."""

    def __init__(self, oidc: Oidc, client: OutboundClient, settings: Settings) -> None:
        assert settings.oidc_client_id is not None  # noqa: S101 - there is no login without
        self._oidc, self._client = oidc, client
        self._id, self._secret, self._scope = (
            settings.oidc_client_id,
            settings.oidc_client_secret,
            settings.oidc_scope,
        )
        self._sealer = Sealer(settings.secret_keys)
        self.home = f"{settings.public_url}/"
        self._back = f"{settings.public_url}{BACK}"

    async def begin(self, place: str) -> tuple[str, str]:
        """The provider's address for a new login, and what the browser is to keep meanwhile. Raises LoginFailed."""
        begun = Begun(token_urlsafe(), token_urlsafe(), token_urlsafe(), place, int(time.time()) + SECONDS)
        challenge = urlsafe_b64encode(sha256(begun.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._id,
            "redirect_uri": self._back,
            "scope": self._scope,
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        try:
            async with asyncio.timeout(PROVIDER_SECONDS):
                provider = await self._oidc.issuer.provider()
            address = str(URL(provider.authorization).update_query(asked))
        except (LavoriError, TimeoutError, ValueError) as error:
            raise _away(error) from None
        return address, self._sealer.seal(dumps(begun).decode(), _PLACE)

    def begun(self, kept: str | None, state: str | None) -> Begun:
        """The login that a browser comes back from, by what it kept. Raises LoginFailed."""
        try:
            begun = Begun(**orjson.loads(self._sealer.open(kept or "", _PLACE)))
        except Unsealable:
            raise LoginFailed(NOT_BEGUN, "no cookie of ours") from None
        if begun.until < time.time():
            raise LoginFailed(NOT_BEGUN, "too late")
        if not compare_digest((state or "").encode(), begun.state.encode()):
            raise LoginFailed(NOT_BEGUN, "another state")
        return begun

    async def finish(self, begun: Begun, query: MultiMapping[str]) -> Principal:
        """Who has come back with this query. Raises LoginFailed."""
        try:
            async with asyncio.timeout(PROVIDER_SECONDS):
                provider = await self._oidc.issuer.provider()
                code = _code(provider, query)
                token = await self._exchanged(provider, code, begun.verifier)
                return await self._oidc.of_id_token(token, self._id, begun.nonce)
        except Unauthenticated as error:
            raise LoginFailed(UNTRUSTED, str(error)) from None
        except Forbidden as error:
            raise LoginFailed(NOBODY, str(error)) from None
        except (LavoriError, TimeoutError) as error:
            raise _away(error) from None

    async def _exchanged(self, provider: Provider, code: str, verifier: str) -> str:
        """The ID token for a code. Raises LoginFailed, and as the outbound client."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "code_verifier": verifier,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if self._secret is not None and provider.takes_basic:
            pair = f"{quote_plus(self._id)}:{quote_plus(self._secret)}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = self._id
            if self._secret is not None:
                form["client_secret"] = self._secret
        body = urlencode(form).encode()
        # A redirect would take code and verifier elsewhere.
        async with self._client.request("POST", provider.token, headers, body, follow=False) as response:
            answer = b"".join([chunk async for chunk in response.iter_chunks(MOST_BYTES)])
        try:
            told = orjson.loads(answer)
        except orjson.JSONDecodeError:
            told = None
        told = told if isinstance(told, dict) else {}
        if response.status == OK and isinstance(token := told.get("id_token"), str):
            return token
        error = _word(told.get("error"))
        reason = f"the token endpoint answers with status {response.status}, {error}"
        raise LoginFailed(USED if error == "invalid_grant" else AWAY, reason)


def one(query: MultiMapping[str], name: str) -> str | None:
    """The value of a parameter that is there once."""
    values = query.getall(name, [])
    return values[0] if len(values) == 1 else None


def _code(provider: Provider, query: MultiMapping[str]) -> str:
    """The code that the provider has sent the browser back with. Raises LoginFailed."""
    if (provider.names_itself or "iss" in query) and one(query, "iss") != provider.name:
        raise LoginFailed(MIXED_UP)
    if "error" in query:
        error = _word(one(query, "error"))
        raise LoginFailed(DENIED if error == "access_denied" else AWAY, f"the provider says {error}")
    code = one(query, "code")
    if not code:
        raise LoginFailed(AWAY, "the provider sends no code")
    return code


def _word(error: object) -> str:
    """An error of OAuth, if it is spelled as one: it goes into the log."""
    return error if isinstance(error, str) and _ERROR.fullmatch(error) else "no error that is known"


def _away(error: Exception) -> LoginFailed:
    return LoginFailed(AWAY, str(error) or type(error).__name__)


LOGIN = web.AppKey("login", Login)
"""There where the settings have a client of the provider."""
