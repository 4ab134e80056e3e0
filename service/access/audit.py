"""The audit trail: one row for each mutating call, written in the call's own transaction, and only ever added."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from service.access.principal import Principal
from service.db.connection import Connection
from service.web.encoding import dumps
from service.web.middleware import REQUEST_ID, TRACEPARENT


@dataclass(frozen=True, slots=True)
class Origin:
    """From where a call came: the peer's address, the request id that the log knows, and the trace it is part of."""

    address: str | None
    request_id: str | None
    traceparent: str | None = None


NOWHERE = Origin(address=None, request_id=None)
"""Of what no request has asked for."""


def origin_of(request: web.Request) -> Origin:
    """The origin of a request."""
    return Origin(
        address=request.remote, request_id=request.get(REQUEST_ID), traceparent=request.get(TRACEPARENT)
    )


RECORD = """
INSERT INTO audit (tenant_id, principal, key_id, action, object_type, object_id, address, request_id, changes)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


async def record(
    connection: Connection,
    principal: Principal,
    action: str,
    object_type: str,
    object_id: str | None,
    changes: Mapping[str, object] | None,
    origin: Origin,
) -> None:
    """Write who did what to what.

    `action` is a verb (`create`, `rotate`), `object_type` the thing's noun (`key`, `job`). `changes` is each changed
    field with what it was and what it is, `{"name": [None, "nightly"]}`: never a secret.
    """
    await connection.execute(
        RECORD,
        principal.tenant_id,
        principal.name,
        principal.key_id,
        action,
        object_type,
        object_id,
        origin.address,
        origin.request_id,
        None if changes is None else dumps(changes).decode(),
    )
