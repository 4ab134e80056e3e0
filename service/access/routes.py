"""Keys and tenants. Every mutation and its audit row are one transaction."""

from uuid import UUID

from aiohttp import web

from service.access import store
from service.access.audit import origin_of, record
from service.access.identities import IDENTITIES
from service.access.listing import list_response, page_of
from service.access.middleware import entitled
from service.access.principal import Permission, Principal, permissions_of
from service.access.schemas import KeyIn, RotateIn, TenantIn, tenant_code
from service.access.session_store import delete_sessions_of_key
from service.errors import Conflict, Forbidden, NotFound
from service.keys import POOL
from service.web.payload import json_response, no_query, read_body

_KEY_IN, _ROTATE_IN, _TENANT_IN = KeyIn(), RotateIn(), TenantIn()


async def create_key(request: web.Request) -> web.Response:
    """POST /api/keys: 201 with the key and, this once, its secret."""
    no_query(request)
    caller = entitled(request, Permission.KEYS)
    body = await read_body(request, _KEY_IN)
    roles, grants = list(dict.fromkeys(body["roles"])), list(dict.fromkeys(body["grants"]))
    _refuse_more_than_own(caller, body["principal"], roles, grants)
    async with request.app[POOL].acquire() as connection, connection.transaction():
        key, secret = await store.insert_key(
            connection,
            caller.tenant_id,
            name=body["name"],
            principal=body["principal"],
            roles=roles,
            grants=grants,
            expires_at=body["expires_at"],
            created_by=caller.name,
        )
        changes = {name: [None, key[name]] for name in ("name", "principal", "roles", "grants", "expires_at")}
        await record(connection, caller, "create", "key", str(key["id"]), changes, origin_of(request))
    return json_response({**key, "secret": secret}, status=201)


def _refuse_more_than_own(caller: Principal, principal: str, roles: list[str], grants: list[str]) -> None:
    """Nobody gives more than they have: neither permissions, nor what belongs to another principal alone."""
    if missing := permissions_of(tuple(roles), tuple(grants)) - caller.permissions:
        raise Forbidden(f"a key can't be given more than its giver has: {', '.join(sorted(missing))}")
    over_all = {Permission.JOBS_READ_ALL, Permission.JOBS_CONTROL_ALL}
    if principal != caller.name and not over_all <= caller.permissions:
        raise Forbidden("a key of another principal can be given only by who may read and control all jobs")


async def list_keys(request: web.Request) -> web.Response:
    """GET /api/keys: the tenant's live keys, newest first."""
    caller = entitled(request, Permission.KEYS)
    page = page_of(request, UUID)
    async with request.app[POOL].acquire() as connection:
        keys = await store.list_keys(connection, caller.tenant_id, before=page.after, limit=page.limit + 1)
    return list_response(request, page, "keys", keys, cursor="id")


async def delete_key(request: web.Request) -> web.Response:
    """DELETE /api/keys/{id}: 204; the key is refused within a second, and at once by this process.

    The tenant's last key that may manage keys stays, since nobody could make another one: 409.
    """
    no_query(request)
    caller = entitled(request, Permission.KEYS)
    key_id = _key_id(request)
    async with request.app[POOL].acquire() as connection, connection.transaction():
        key = await store.revoke_key_if_live(connection, caller.tenant_id, key_id)
        if key is None:
            raise NotFound("no such key")
        if caller.key_id is not None and not await store.has_a_key_for_keys(connection, caller.tenant_id):
            raise Conflict("it is the last key that may manage keys: rotate it, or make another one first")
        await delete_sessions_of_key(connection, key_id)
        changes = {"name": [key["name"], None], "principal": [key["principal"], None]}
        await record(connection, caller, "revoke", "key", str(key_id), changes, origin_of(request))
    request.app[IDENTITIES].forget()
    return web.Response(status=204)


async def rotate_key(request: web.Request) -> web.Response:
    """POST /api/keys/{id}/rotate: 200 with the key and its new secret; the old one ends in `grace_seconds`, or now."""
    no_query(request)
    caller = entitled(request, Permission.KEYS)
    key_id = _key_id(request)
    body = await read_body(request, _ROTATE_IN) if request.can_read_body else _ROTATE_IN.load({})
    grace = body["grace_seconds"]
    async with request.app[POOL].acquire() as connection, connection.transaction():
        key = await store.lock_key_if_live(connection, caller.tenant_id, key_id)
        if key is None:
            raise NotFound("no such key")
        _refuse_more_than_own(caller, key["principal"], key["roles"], key["grants"])
        secret = await store.rotate_key_if_live(connection, caller.tenant_id, key_id, grace)
        await delete_sessions_of_key(connection, key_id)
        changes = {"secret": ["***", "***"], "grace_seconds": [None, grace]}
        await record(connection, caller, "rotate", "key", str(key_id), changes, origin_of(request))
    request.app[IDENTITIES].forget()
    return json_response({**key, "secret": secret})


async def create_tenant(request: web.Request) -> web.Response:
    """POST /api/tenants: 201 with the tenant and, this once, an admin key of it."""
    no_query(request)
    caller = entitled(request, Permission.TENANTS)
    body = await read_body(request, _TENANT_IN)
    async with request.app[POOL].acquire() as connection, connection.transaction():
        tenant, key, secret = await store.insert_tenant(
            connection, code=body["code"], name=body["name"], created_by=caller.name
        )
        changes = {"name": [None, tenant["name"]], "admin_key": [None, key["id"]]}
        await record(connection, caller, "create", "tenant", tenant["code"], changes, origin_of(request))
    shown = {name: tenant[name] for name in ("code", "name", "created_at")}
    return json_response({**shown, "admin_key": {**key, "secret": secret}}, status=201)


async def list_tenants(request: web.Request) -> web.Response:
    """GET /api/tenants: all tenants, by code."""
    entitled(request, Permission.TENANTS)
    page = page_of(request, tenant_code)
    async with request.app[POOL].acquire() as connection:
        tenants = await store.list_tenants(connection, after=page.after, limit=page.limit + 1)
    return list_response(request, page, "tenants", tenants, cursor="code")


async def delete_tenant(request: web.Request) -> web.Response:
    """DELETE /api/tenants/{code}: 204; 409 while it has jobs or definitions."""
    no_query(request)
    caller = entitled(request, Permission.TENANTS)
    try:
        code = tenant_code(request.match_info["code"])
    except ValueError:
        raise NotFound("no such tenant") from None
    async with request.app[POOL].acquire() as connection, connection.transaction():
        tenant = await store.delete_tenant(connection, code)
        changes = {"name": [tenant["name"], None]}
        await record(connection, caller, "delete", "tenant", code, changes, origin_of(request))
    request.app[IDENTITIES].forget()
    return web.Response(status=204)


def _key_id(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["id"])
    except ValueError:
        raise NotFound("no such key") from None


routes: list[web.RouteDef] = [
    web.post("/api/keys", create_key),
    web.get("/api/keys", list_keys),
    web.delete("/api/keys/{id}", delete_key),
    web.post("/api/keys/{id}/rotate", rotate_key),
    web.post("/api/tenants", create_tenant),
    web.get("/api/tenants", list_tenants),
    web.delete("/api/tenants/{code}", delete_tenant),
]
