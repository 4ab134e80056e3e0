"""The tenant's webhook endpoints and the secrets that webhooks are signed with: for admins."""

from typing import Any
from uuid import UUID

import asyncpg
from aiohttp import web

from service.access.audit import origin_of, record
from service.access.listing import list_response, page_of
from service.access.middleware import entitled
from service.access.principal import Permission
from service.errors import Fault, Invalid, NotFound, OutboundRefused, PreconditionFailed
from service.keys import POOL, SETTINGS
from service.notifications import endpoints
from service.notifications.schemas import EndpointIn, EndpointPatch, RotateSecretIn
from service.notifications.secrets import add_secret, live_secrets, rotate_secret
from service.sealing import Sealer, Unsealable
from service.web.conditions import etag, is_known, required_versions
from service.web.outbound import OutboundClient
from service.web.payload import json_response, no_query, read_body

_ENDPOINT_IN, _ENDPOINT_PATCH, _ROTATE_IN = EndpointIn(), EndpointPatch(), RotateSecretIn()
_FIELDS = ("url", "on", "description", "enabled")


async def create(request: web.Request) -> web.Response:
    """POST /api/webhook-endpoints: 201 with the endpoint and, this once, its secret."""
    no_query(request)
    caller = entitled(request, Permission.TENANT)
    body = await read_body(request, _ENDPOINT_IN)
    _refuse_address(request, body["url"])
    async with request.app[POOL].acquire() as connection, connection.transaction():
        made = await endpoints.insert_endpoint(
            connection,
            caller.tenant_id,
            url=body["url"],
            description=body["description"],
            statuses=list(dict.fromkeys(body["on"])),
            enabled=body["enabled"],
            created_by=caller.name,
        )
        secret = await add_secret(connection, _sealer(request), caller.tenant_id, made["id"])
        changes = {name: [None, made[name]] for name in _FIELDS}
        await record(
            connection, caller, "create", "webhook_endpoint", str(made["id"]), changes, origin_of(request)
        )
    return _shown(made, status=201, secret=secret)


async def list_(request: web.Request) -> web.Response:
    """GET /api/webhook-endpoints: the tenant's endpoints, newest first."""
    caller = entitled(request, Permission.TENANT)
    page = page_of(request, UUID)
    rows = await endpoints.list_endpoints(
        request.app[POOL], caller.tenant_id, before=page.after, limit=page.limit + 1
    )
    return list_response(request, page, "webhook_endpoints", rows, cursor="id")


async def read(request: web.Request) -> web.Response:
    """GET /api/webhook-endpoints/{id}."""
    no_query(request)
    caller = entitled(request, Permission.TENANT)
    row = await endpoints.read_endpoint(request.app[POOL], caller.tenant_id, _endpoint_id(request))
    if row is None:
        raise NotFound("no such webhook endpoint")
    if is_known(request, row["version"]):
        return web.Response(status=304, headers={"ETag": etag(row["version"])})
    return _shown(row)


async def patch(request: web.Request) -> web.Response:
    """PATCH /api/webhook-endpoints/{id}: JSON Merge Patch. One that is disabled is sent nothing more."""
    no_query(request)
    caller = entitled(request, Permission.TENANT)
    endpoint_id = _endpoint_id(request)
    body = await read_body(request, _ENDPOINT_PATCH)
    if "url" in body:
        _refuse_address(request, body["url"])
    async with request.app[POOL].acquire() as connection, connection.transaction():
        before = await _locked(request, connection, caller.tenant_id, endpoint_id)
        wanted = {name: body.get(name, before[name]) for name in _FIELDS}
        after = await endpoints.update_endpoint(
            connection,
            caller.tenant_id,
            endpoint_id,
            url=wanted["url"],
            description=wanted["description"],
            statuses=list(dict.fromkeys(wanted["on"])),
            enabled=wanted["enabled"],
        )
        changes = {name: [before[name], after[name]] for name in _FIELDS if before[name] != after[name]}
        await record(
            connection, caller, "modify", "webhook_endpoint", str(endpoint_id), changes, origin_of(request)
        )
    return _shown(after)


async def delete(request: web.Request) -> web.Response:
    """DELETE /api/webhook-endpoints/{id}: 204; it is sent nothing more."""
    no_query(request)
    caller = entitled(request, Permission.TENANT)
    endpoint_id = _endpoint_id(request)
    async with request.app[POOL].acquire() as connection, connection.transaction():
        before = await _locked(request, connection, caller.tenant_id, endpoint_id)
        await endpoints.delete_endpoint(connection, caller.tenant_id, endpoint_id)
        changes = {"url": [before["url"], None]}
        await record(
            connection, caller, "delete", "webhook_endpoint", str(endpoint_id), changes, origin_of(request)
        )
    return web.Response(status=204)


async def rotate(request: web.Request) -> web.Response:
    """POST /api/webhook-endpoints/{id}/rotate: 200 with the endpoint and its new secret."""
    no_query(request)
    caller = entitled(request, Permission.TENANT)
    endpoint_id = _endpoint_id(request)
    grace = await _grace(request)
    async with request.app[POOL].acquire() as connection, connection.transaction():
        row = await _locked(request, connection, caller.tenant_id, endpoint_id)
        secret = await rotate_secret(connection, _sealer(request), caller.tenant_id, endpoint_id, grace)
        changes = {"secret": ["***", "***"], "grace_seconds": [None, grace]}
        await record(
            connection, caller, "rotate", "webhook_endpoint", str(endpoint_id), changes, origin_of(request)
        )
    return _shown(row, secret=secret)


async def read_secret(request: web.Request) -> web.Response:
    """GET /api/webhook-secret: what the webhooks are signed with that jobs ask for by `notify.webhook_url`."""
    no_query(request)
    caller = entitled(request, Permission.TENANT)
    try:
        secret, *_ = await live_secrets(request.app[POOL], _sealer(request), caller.tenant_id, None)
    except Unsealable:
        raise NotFound("the secret cannot be read any more, since its key is gone: rotate it") from None
    return json_response({"secret": secret}, headers={"Cache-Control": "no-store"})


async def rotate_own_secret(request: web.Request) -> web.Response:
    """POST /api/webhook-secret/rotate: 200 with the new one."""
    no_query(request)
    caller = entitled(request, Permission.TENANT)
    grace = await _grace(request)
    async with request.app[POOL].acquire() as connection, connection.transaction():
        secret = await rotate_secret(connection, _sealer(request), caller.tenant_id, None, grace)
        changes = {"secret": ["***", "***"], "grace_seconds": [None, grace]}
        await record(connection, caller, "rotate", "webhook_secret", None, changes, origin_of(request))
    return json_response({"secret": secret}, headers={"Cache-Control": "no-store"})


async def _grace(request: web.Request) -> int:
    body = await read_body(request, _ROTATE_IN) if request.can_read_body else _ROTATE_IN.load({})
    seconds: int = body["grace_seconds"]
    return seconds


async def _locked(request: web.Request, connection: Any, tenant_id: int, endpoint_id: UUID) -> asyncpg.Record:
    """The endpoint, held until the transaction ends. Raises NotFound, PreconditionFailed."""
    row = await endpoints.lock_endpoint(connection, tenant_id, endpoint_id)
    if row is None:
        raise NotFound("no such webhook endpoint")
    versions = required_versions(request)
    if versions is not None and row["version"] not in versions:
        raise PreconditionFailed(f"the endpoint is at version {row['version']}")
    return row


def _refuse_address(request: web.Request, url: str) -> None:
    """Refuse what no worker would ever call."""
    try:
        OutboundClient(request.app[SETTINGS].outbound_allow).check(url)
    except OutboundRefused as error:
        raise Invalid([Fault("#/url", str(error))]) from None


def _sealer(request: web.Request) -> Sealer:
    return Sealer(request.app[SETTINGS].secret_keys)


def _shown(row: asyncpg.Record, *, status: int = 200, secret: str | None = None) -> web.Response:
    more = {} if secret is None else {"secret": secret}
    headers = {"ETag": etag(row["version"])} | ({"Cache-Control": "no-store"} if secret else {})
    return json_response({**row, **more}, status=status, headers=headers)


def _endpoint_id(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["id"])
    except ValueError:
        raise NotFound("no such webhook endpoint") from None


routes: list[web.RouteDef] = [
    web.post("/api/webhook-endpoints", create),
    web.get("/api/webhook-endpoints", list_),
    web.get("/api/webhook-endpoints/{id}", read),
    web.patch("/api/webhook-endpoints/{id}", patch),
    web.delete("/api/webhook-endpoints/{id}", delete),
    web.post("/api/webhook-endpoints/{id}/rotate", rotate),
    web.get("/api/webhook-secret", read_secret),
    web.post("/api/webhook-secret/rotate", rotate_own_secret),
]
