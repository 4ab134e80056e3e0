"""The issuer of JWTs: where its keys are, what they are, whether a token is one of its own, and where people log in.

Keys are fetched through the outbound client when a token first needs one, and again when they are ten minutes old or a
token names one that is not known, but never more often than each ten seconds, whatever tokens say. While the issuer
can't be reached, the keys that are known go on.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
from joserfc import jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import GuestProtocol, JWKRegistry, Key
from joserfc.jws import JWSRegistry

from service.errors import LavoriError, Unauthenticated, Unavailable
from service.web.outbound import OutboundClient

log = structlog.get_logger()

ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)
LONGEST_TOKEN = 8_192
LEEWAY_SECONDS = 30
OLD_SECONDS = 600.0
PAUSE_SECONDS = 10.0
MOST_BYTES = 256 * 1024
MOST_KEYS = 100
SMALLEST_RSA_BITS = 2_048
KINDS = ("RSA", "EC", "OKP")  # never a secret one
DISCOVERY = "/.well-known/openid-configuration"


class _Registry(JWSRegistry):
    """The allow-list of algorithms, and nothing else: no symmetric one, and never none."""

    max_header_length = LONGEST_TOKEN

    def get_alg(self, name: str) -> Any:
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError(name)
        return self.algorithms[name]


_REGISTRY = _Registry(strict_check_header=False)  # jku, x5u, jwk and x5c may stand there; nobody heeds them


class _UnknownKey(JoseError):
    """The token is signed by a key that is not known."""


class _Unusable(Exception):
    """The issuer says what cannot be used."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Where an issuer logs people in: its name in tokens, and what its discovery says of the code flow."""

    name: str
    authorization: str
    token: str
    names_itself: bool
    """Whether what it sends a browser back with holds its name (RFC 9207)."""
    takes_basic: bool
    """Whether a client's secret is taken in the Authorization header, else in the form."""


class Issuer:
    """One issuer, and the keys that this process knows of it."""

    def __init__(self, address: str, client: OutboundClient) -> None:
        self._address, self._client = address, client
        self._keys: dict[str | None, Key] = {}
        self._told: dict[str, Any] = {}
        self._asked_at = self._fetched_at = float("-inf")
        self._asking = asyncio.Lock()

    async def claims(self, token: str, audience: str) -> dict[str, Any]:
        """The claims of a token of this issuer for this audience.

        Raises Unauthenticated, and Unavailable where only the issuer, which can't be reached, could tell.
        """
        if len(token) > LONGEST_TOKEN:
            raise Unauthenticated("the token is too long")
        await self._ask_if_old()
        fetched_at = self._fetched_at
        try:
            try:
                return self._verified(token, audience)
            except _UnknownKey:
                await self._ask(fetched_at)
                return self._verified(token, audience)
        except _UnknownKey:
            if self._fetched_at < self._asked_at:
                raise Unavailable("the issuer of the token can't be reached at the moment") from None
            raise Unauthenticated("the token is signed by a key that its issuer does not have") from None
        except (JoseError, ValueError, TypeError) as error:
            log.info("a JWT is refused", action="oidc.refused", error=type(error).__name__)
            raise Unauthenticated("the token is not valid, not meant for this service, or expired") from None

    async def provider(self) -> Provider:
        """Where it logs people in. Raises Unavailable where that is not known, or is nothing that could be used."""
        await self._ask_if_old()
        if not self._told:
            await self._ask(self._fetched_at)  # which waits where somebody asks just now
        told = self._told
        addresses = [told.get(name) for name in ("authorization_endpoint", "token_endpoint")]
        secure = ("https://",) if self._address.startswith("https:") else ("https://", "http://")
        authorization, token = (one if isinstance(one, str) else "" for one in addresses)
        if not (authorization.startswith(secure) and token.startswith(secure)):
            raise Unavailable("the issuer does not say where it logs people in")
        methods = told.get("token_endpoint_auth_methods_supported")
        return Provider(
            told["issuer"],
            authorization,
            token,
            names_itself=told.get("authorization_response_iss_parameter_supported") is True,
            takes_basic=not isinstance(methods, list) or "client_secret_basic" in methods,
        )

    def _verified(self, token: str, audience: str) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(token, self._pick, registry=_REGISTRY).claims
        jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self._told["issuer"]},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
        ).validate(claims)
        return claims

    def _pick(self, token: GuestProtocol) -> Key:
        """The key that the token names, or the only one there is. Raises _UnknownKey."""
        header = token.headers()
        kid = header.get("kid")
        if kid is None and len(self._keys) == 1:
            (key,) = self._keys.values()
        else:
            found = self._keys.get(kid) if kid is None or isinstance(kid, str) else None
            if found is None:
                raise _UnknownKey
            key = found
        if key.alg not in (None, header.get("alg")):
            raise UnsupportedAlgorithmError(str(key.alg))
        return key

    async def _ask_if_old(self) -> None:
        if time.monotonic() - self._fetched_at > OLD_SECONDS and not self._asking.locked():
            await self._ask(self._fetched_at)

    async def _ask(self, than: float) -> None:
        """Fetch the keys, unless somebody has since, or did a moment ago; a failure changes nothing."""
        async with self._asking:
            now = time.monotonic()
            if self._fetched_at > than or now - self._asked_at < PAUSE_SECONDS:
                return
            self._asked_at = now
            try:
                self._told, self._keys = await self._fetched()
            except (LavoriError, _Unusable) as error:
                log.warning("the issuer's keys can't be had", action="oidc.keys_failed", error=str(error))
            else:
                self._fetched_at = self._asked_at

    async def _fetched(self) -> tuple[dict[str, Any], dict[str | None, Key]]:
        """What discovery tells, and the keys."""
        told = await self._json(self._address + DISCOVERY)
        name, address = told.get("issuer"), told.get("jwks_uri")
        if not isinstance(name, str) or name.rstrip("/") != self._address:
            raise _Unusable("it calls itself by another name")
        if not isinstance(address, str):
            raise _Unusable("it has no jwks_uri")
        listed = (await self._json(address)).get("keys")
        keys = [key for one in (listed if isinstance(listed, list) else [])[:MOST_KEYS] if (key := _key(one))]
        if not keys:
            raise _Unusable("it has no key that could be used")
        return told, {key.kid: key for key in keys}

    async def _json(self, address: str) -> dict[str, Any]:
        async with self._client.get(address) as response:
            if response.status != 200:  # noqa: PLR2004
                raise _Unusable(f"{response.url.host} answers with status {response.status}")
            if self._address.startswith("https:") and response.url.scheme != "https":
                raise _Unusable("it leads away from https")
            body = b"".join([chunk async for chunk in response.iter_chunks(MOST_BYTES)])
        try:
            told = orjson.loads(body)
        except orjson.JSONDecodeError:
            told = None
        if not isinstance(told, dict):
            raise _Unusable(f"{response.url.host} answers with no JSON object")
        return told


def _key(told: Any) -> Key | None:
    """A public key for signatures; None for any other, and for what is none."""
    if not isinstance(told, dict) or told.get("kty") not in KINDS or told.get("use", "sig") != "sig":
        return None
    if told["kty"] == "RSA" and len(str(told.get("n"))) * 6 < SMALLEST_RSA_BITS:  # base64 of its modulus
        return None
    try:
        return JWKRegistry.import_key(told)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
