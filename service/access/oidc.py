"""JWTs of an issuer that the operator trusts: whose they are here. What they don't say, they don't give."""

import re
from collections.abc import Mapping
from hmac import compare_digest
from typing import Any

import asyncpg

from service.access.claims import ClaimNames, told_by
from service.access.issuer import Issuer
from service.access.principal import Principal, permissions_of
from service.access.store import caps_of
from service.errors import Forbidden, Unauthenticated
from service.settings import Settings
from service.web.outbound import OutboundClient, Patience

PATIENCE = Patience(connect=3, answer=5, stall=5, total=10)
_SHAPE = re.compile(r"eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", re.ASCII)


def may_be_a_jwt(token: str) -> bool:
    """Whether it has the shape of one; no key of Lavori's own has."""
    return _SHAPE.fullmatch(token) is not None


TENANT_BY_CODE = "SELECT id, code, caps, key_requests_per_minute FROM tenants WHERE code = $1"


class Oidc:
    """Makes principals of JWTs."""

    def __init__(self, issuer: Issuer, audience: str, names: ClaimNames, pool: asyncpg.Pool) -> None:
        self.issuer = issuer
        self._audience, self._names, self._pool = audience, names, pool

    async def of(self, token: str) -> Principal:
        """Whose token this is. Raises Unauthenticated, Forbidden for a bearer who is nobody here, Unavailable."""
        return await self._of(await self.issuer.claims(token, self._audience))

    async def of_id_token(self, token: str, client: str, nonce: str) -> Principal:
        """Whom a client's ID token tells of, which must be of the login that chose this nonce. Raises as `of`."""
        claims = await self.issuer.claims(token, client)
        if not (
            isinstance(given := claims.get("nonce"), str) and compare_digest(given.encode(), nonce.encode())
        ):
            raise Unauthenticated("the ID token is of another login")
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if several else client) != client:
            raise Unauthenticated("the ID token was made for another client")
        if "iat" not in claims or not isinstance(claims.get("sub"), str):
            raise Unauthenticated("the ID token does not say when it was made, or of whom")
        return await self._of(claims)

    async def _of(self, claims: Mapping[str, Any]) -> Principal:
        told = told_by(claims, self._names)
        tenant = await self._pool.fetchrow(TENANT_BY_CODE, told.tenant)
        if tenant is None:
            raise Forbidden(f"the claim {self._names.tenant} of the token names no tenant")
        return Principal(
            tenant_id=tenant["id"],
            tenant_code=tenant["code"],
            name=told.principal,
            roles=told.roles,
            grants=(),
            key_id=None,
            permissions=permissions_of(told.roles, ()),
            caps=caps_of(tenant),
        )


def oidc_of(settings: Settings, client: OutboundClient, pool: asyncpg.Pool) -> Oidc | None:
    """The issuer of the settings, if there is one; `client` asks it."""
    if settings.oidc_issuer is None or settings.oidc_audience is None:
        return None
    names = ClaimNames(settings.oidc_tenant_claim, settings.oidc_principal_claim, settings.oidc_roles_claim)
    return Oidc(Issuer(settings.oidc_issuer, client), settings.oidc_audience, names, pool)
