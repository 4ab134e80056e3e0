"""One's own tenant: its caps, its retention and the rest of its settings; and who am I, with what is used of them."""

from dataclasses import asdict
from typing import Any

import asyncpg
import orjson
from aiohttp import web

from service.access import tenant_store
from service.access.audit import origin_of, record
from service.access.buckets import buckets_of
from service.access.identities import IDENTITIES
from service.access.limits import LIMITER, WAITING
from service.access.middleware import entitled, principal_of
from service.access.principal import Permission, Principal
from service.access.tenant_schemas import CAPS, LINK_SECONDS, RETENTION, TenantPatch
from service.access.tenant_store import TenantSettings
from service.errors import NotFound, PreconditionFailed
from service.keys import POOL
from service.web.conditions import etag, is_known, required_versions
from service.web.encoding import dumps, fragment
from service.web.payload import json_response, no_query, read_body

_TENANT_PATCH = TenantPatch()


async def read_tenant(request: web.Request) -> web.Response:
    """GET /api/tenant: its settings, for its admins."""
    no_query(request)
    caller = entitled(request, Permission.TENANT)
    row = _there(await tenant_store.read_tenant(request.app[POOL], caller.tenant_id))
    if is_known(request, row["version"]):
        return web.Response(status=304, headers={"ETag": etag(row["version"])})
    return _response(row)


async def change_tenant(request: web.Request) -> web.Response:
    """PATCH /api/tenant: a JSON Merge Patch; what it changes holds within a second, and at once in this process."""
    no_query(request)
    caller = entitled(request, Permission.TENANT)
    patch, versions = await read_body(request, _TENANT_PATCH), required_versions(request)
    async with request.app[POOL].acquire() as connection, connection.transaction():
        row = _there(await tenant_store.hold_tenant(connection, caller.tenant_id))
        if versions is not None and row["version"] not in versions:
            raise PreconditionFailed(f"the tenant is at version {row['version']}")
        before, after = _view(row), _patched(_view(row), patch)
        changes = {name: [before[name], after[name]] for name in patch if after[name] != before[name]}
        if changes:
            await tenant_store.update_tenant(connection, caller.tenant_id, _settings(after))
            row = _there(await tenant_store.read_tenant(connection, caller.tenant_id))
        await record(connection, caller, "modify", "tenant", row["code"], changes, origin_of(request))
    request.app[IDENTITIES].forget()
    return _response(row)


def _there(row: asyncpg.Record | None) -> asyncpg.Record:
    if row is None:  # it was deleted within the second that its keys are remembered
        raise NotFound("the tenant is gone")
    return row


def _response(row: asyncpg.Record) -> web.Response:
    return json_response(_view(row), headers={"ETag": etag(row["version"])})


def _view(row: asyncpg.Record) -> dict[str, Any]:
    shown = ("code", "name", "account_code", "database_name", "key_requests_per_minute", "created_at")
    return {
        **{name: row[name] for name in shown},
        "caps": dict.fromkeys(CAPS) | orjson.loads(row["caps"]),
        "retention": dict.fromkeys(RETENTION) | orjson.loads(row["retention"]),
        "link_lifetime_seconds": row["link_seconds"],
        "webhook_endpoints": fragment(row["webhook_endpoints"]) or [],
    }


def _patched(before: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """The settings after the patch (RFC 7396)."""
    after = before | patch
    for name in ("caps", "retention"):
        after[name] = before[name] | (after[name] or dict.fromkeys(before[name]))
    if after["link_lifetime_seconds"] is None:
        after["link_lifetime_seconds"] = LINK_SECONDS
    return after


def _settings(view: dict[str, Any]) -> TenantSettings:
    return TenantSettings(
        name=view["name"],
        account_code=view["account_code"],
        database_name=view["database_name"],
        caps=_without_nulls(view["caps"]),
        key_requests_per_minute=view["key_requests_per_minute"],
        retention=_without_nulls(view["retention"]),
        link_seconds=view["link_lifetime_seconds"],
    )


def _without_nulls(values: dict[str, Any]) -> str:
    return dumps({name: value for name, value in values.items() if value is not None}).decode()


async def me(request: web.Request) -> web.Response:
    """GET /api/me: who am I, what may I do, and how much is left of my tenant's limits."""
    no_query(request)
    caller = principal_of(request)
    limits = asdict(caller.caps)
    del limits["key_requests_per_minute"]
    return json_response(
        {
            "tenant": caller.tenant_code,
            "principal": caller.name,
            "roles": caller.roles,
            "grants": caller.grants,
            "key_id": caller.key_id,
            "limits": limits,
            "used": {
                **await tenant_store.used(request.app[POOL], caller.tenant_id),
                "requests_per_minute": _requests(request, caller),
                "waiters": sum(count(caller.tenant_id) for count in request.app[WAITING]),
            },
        }
    )


def _requests(request: web.Request, caller: Principal) -> int | None:
    """How many of the tenant's requests are used up, as far as this process knows; None without a limit."""
    if caller.caps.requests_per_minute is None:
        return None
    ruling = request.app[LIMITER].look(buckets_of(caller))
    return ruling.buckets[0].most - int(ruling.tokens[0])


routes: list[web.RouteDef] = [
    web.get("/api/tenant", read_tenant),
    web.patch("/api/tenant", change_tenant),
    web.get("/api/me", me),
]
