"""An OpenID issuer of the tests: a real server with discovery and keys, which may be rotated, broken or stopped.

People log in at it too, by the code flow; each promise of a good provider can be broken by a test.
"""

import asyncio
import base64
import hashlib
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import escape
from typing import Any, Self
from urllib.parse import unquote_plus

from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from yarl import URL

from service.access.issuer import _Registry

AUDIENCE = "lavori-tests"
CLIENT = "lavori-dashboard"
SECRET = "a secret: of the/client & its %20 signs"
_ANY = _Registry(strict_check_header=False)


def key_of(algorithm: str, kid: str | None = "one") -> Key:
    """A private key for this algorithm."""
    parameters: Any = {"kid": kid} if kid else {}
    if algorithm.startswith("ES"):
        curve = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[algorithm]
        return ECKey.generate_key(curve, parameters)
    if algorithm in ("EdDSA", "Ed25519"):
        return OKPKey.generate_key("Ed25519", parameters)
    return RSAKey.generate_key(2048, parameters)


class TestIssuer:
    """Signs tokens, publishes `keys`, and counts how often it is asked for them; `answer` replaces what it says."""

    __test__ = False

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.keys: list[Key] = [key_of("RS256")]
        self.more: list[Any] = []
        self.asked = 0
        self.status = 200
        self.answer: bytes | None = None
        self.name: str | None = None
        self.address = ""
        self._server: TestServer | None = None
        self.client_secret: str | None = SECRET
        self.discovered: dict[str, Any] = {}
        """What discovery says besides."""
        self.tells: dict[str, Any] = {}
        """Claims of the next ID token; None leaves one out."""
        self.id_token: str | None = None
        """The next ID token itself."""
        self.sends: dict[str, str] = {}
        """What browsers are sent back with, in the place of what is right."""
        self.asks_people = False
        """Whether there is a page with buttons, as for a browser, or everybody is let in at once."""
        self.token_answer: tuple[int, bytes, dict[str, str]] | None = None
        """What the token endpoint says, whatever it is asked."""
        self.delay = 0.0
        self.codes: dict[str, dict[str, str]] = {}
        self.exchanged: list[dict[str, str]] = []

    def token(self, key: Key | None = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token that is good, but for what is given; None leaves a claim out."""
        now = int(time.time())
        whole = {"iss": self.address, "aud": AUDIENCE, "exp": now + 300, "nbf": now, "iat": now, "sub": "anna",
                 "tenant": "default", "roles": ["user"]} | claims  # fmt: skip
        signer = key or self.keys[0]
        head = {"alg": "RS256", "kid": signer.kid} | (header or {})
        return jwt.encode(
            {name: value for name, value in head.items() if value is not None},
            {name: value for name, value in whole.items() if value is not None},
            signer,
            registry=_ANY,
        )

    async def start(self, port: int | None = None) -> None:
        """Serve, at the same address again if that is given."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/.well-known/openid-configuration", self._discovery),
                web.get("/keys", self._keys),
                web.get("/authorize", self._authorize),
                web.post("/token", self._token),
            ]
        )
        self._server = TestServer(app, port=port)
        await self._server.start_server()
        self.address = f"http://{self.host}:{self._server.port}"

    async def stop(self) -> None:
        """Answer nobody any more."""
        assert self._server is not None
        await self._server.close()

    @property
    def environ(self) -> dict[str, str]:
        """The settings that trust it."""
        return {
            "OIDC_ISSUER": self.address,
            "OIDC_AUDIENCE": AUDIENCE,
            "LAVORI_OUTBOUND_ALLOW": self.address.removeprefix("http://"),
        }

    @property
    def login_environ(self) -> dict[str, str]:
        """The settings that let people log in at it; LAVORI_PUBLIC_URL is the test's."""
        secret = {} if self.client_secret is None else {"OIDC_CLIENT_SECRET": self.client_secret}
        return {**self.environ, "OIDC_CLIENT_ID": CLIENT, **secret}

    @classmethod
    @asynccontextmanager
    async def running(cls, host: str = "127.0.0.1") -> AsyncIterator[Self]:
        """One that serves for the time of the block, under this name of this machine."""
        issuer = cls(host)
        await issuer.start()
        yield issuer
        await issuer.stop()

    async def _discovery(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.name or self.address,
                "jwks_uri": f"{self.address}/keys",
                "authorization_endpoint": f"{self.address}/authorize",
                "token_endpoint": f"{self.address}/token",
                **self.discovered,
            },
            status=self.status,
        )

    async def _keys(self, _: web.Request) -> web.Response:
        self.asked += 1
        if self.answer is not None:
            return web.Response(body=self.answer)
        return web.json_response({"keys": [key.as_dict(private=False) for key in self.keys] + self.more})

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT)
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        if self.asks_people and "let_in" not in asked:
            fields = "".join(
                f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
                for name, value in asked.items()
            )
            buttons = (
                '<button name="let_in" value="yes">Yes</button><button name="let_in" value="no">No</button>'
            )
            page = f"<!doctype html><title>Provider</title><h1>Is it you?</h1><form>{fields}{buttons}</form>"
            return web.Response(text=page, content_type="text/html")
        code = secrets.token_urlsafe()
        self.codes[code] = asked
        good = {"error": "access_denied"} if asked.get("let_in") == "no" else {"code": code}
        sent = {"state": asked["state"], **good, **self.sends}
        return web.Response(
            status=302, headers={"Location": str(URL(asked["redirect_uri"]).with_query(sent))}
        )

    async def _token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.exchanged.append(form)
        await asyncio.sleep(self.delay)
        if self.token_answer is not None:
            status, body, headers = self.token_answer
            return web.Response(status=status, body=body, headers=headers)
        if not self._is_the_client(request, form):
            return web.json_response({"error": "invalid_client"}, status=401)
        asked = self.codes.get(form["code"])
        verifier = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest())
        if (
            asked is None
            or asked["redirect_uri"] != form["redirect_uri"]
            or asked["code_challenge"] != verifier.decode().rstrip("=")
            or form["grant_type"] != "authorization_code"
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        del self.codes[form["code"]]
        claims = {"aud": CLIENT, "nonce": asked["nonce"], **self.tells}
        token = self.id_token or self.token(**claims)
        return web.json_response(
            {"access_token": "of no use here", "token_type": "Bearer", "id_token": token}
        )

    def _is_the_client(self, request: web.Request, form: dict[str, str]) -> bool:
        given = request.headers.get("Authorization", "")
        if given.startswith("Basic "):
            name, _, secret = base64.b64decode(given[6:]).decode().partition(":")
            return (unquote_plus(name), unquote_plus(secret)) == (CLIENT, self.client_secret)
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT, self.client_secret)
