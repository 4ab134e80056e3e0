"""From the claims of a JWT that is good to what it may be here: a tenant's code, a principal, roles. Pure.

Where the operator's claims stand is a setting: a claim's own name, or a path of names with dots between them where no
claim has that name itself (`realm_access.roles`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.access.principal import ROLES
from service.access.schemas import LONGEST_NAME, ONE_LINE, TENANT_CODE
from service.errors import Forbidden


@dataclass(frozen=True, slots=True)
class ClaimNames:
    """Under which names the issuer tells them."""

    tenant: str
    principal: str
    roles: str


@dataclass(frozen=True, slots=True)
class Told:
    """What a JWT says of its bearer; the tenant need not exist."""

    tenant: str
    principal: str
    roles: tuple[str, ...]


def told_by(claims: Mapping[str, Any], names: ClaimNames) -> Told:
    """Read them. Raises Forbidden for a bearer whom nothing here stands for; unknown roles count for nothing."""
    tenant, principal, roles = (_found(claims, one) for one in (names.tenant, names.principal, names.roles))
    if not isinstance(tenant, str) or not TENANT_CODE.match(tenant):
        raise Forbidden(f"the claim {names.tenant} of the token names no tenant")
    if not isinstance(principal, str) or not _is_a_name(principal):
        raise Forbidden(f"the claim {names.principal} of the token names no principal")
    words = roles.split() if isinstance(roles, str) else roles if isinstance(roles, list) else ()
    return Told(tenant, principal, tuple(role for role in ROLES if role in words))


def _found(claims: Mapping[str, Any], name: str) -> Any:
    if name in claims:
        return claims[name]
    inner: Any = claims
    for part in name.split("."):
        inner = inner.get(part) if isinstance(inner, Mapping) else None
    return inner


def _is_a_name(text: str) -> bool:
    """Whether it could be the principal of a key."""
    return 0 < len(text) <= LONGEST_NAME and text != "*" and re.match(ONE_LINE, text) is not None
