"""An OpenID issuer of the tests: a real server with discovery and keys, which may be rotated, broken or stopped."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from service.access.issuer import _Registry

AUDIENCE = "lavori-tests"
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

    def __init__(self) -> None:
        self.keys: list[Key] = [key_of("RS256")]
        self.more: list[Any] = []
        self.asked = 0
        self.status = 200
        self.answer: bytes | None = None
        self.name: str | None = None
        self.address = ""
        self._server: TestServer | None = None

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
            [web.get("/.well-known/openid-configuration", self._discovery), web.get("/keys", self._keys)]
        )
        self._server = TestServer(app, port=port)
        await self._server.start_server()
        self.address = f"http://127.0.0.1:{self._server.port}"

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

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[Self]:
        """One that serves for the time of the block."""
        issuer = cls()
        await issuer.start()
        yield issuer
        await issuer.stop()

    async def _discovery(self, _: web.Request) -> web.Response:
        return web.json_response(
            {"issuer": self.name or self.address, "jwks_uri": f"{self.address}/keys"}, status=self.status
        )

    async def _keys(self, _: web.Request) -> web.Response:
        self.asked += 1
        if self.answer is not None:
            return web.Response(body=self.answer)
        return web.json_response({"keys": [key.as_dict(private=False) for key in self.keys] + self.more})
