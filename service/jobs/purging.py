"""POST /api/tenant/purge: what retention would take now, or take it."""

from typing import Any

import asyncpg
from aiohttp import web
from marshmallow import Schema, fields, validate

from service.access.audit import origin_of, record
from service.access.middleware import entitled
from service.access.principal import Permission
from service.errors import Unavailable
from service.jobs.purge import KINDS, purge_batch, would_purge
from service.keys import POOL
from service.web.described import Operation, Shown, answer, body
from service.web.flag import Flag
from service.web.payload import json_response, no_query, read_body


class PurgeIn(Schema):
    """Whether to count only."""

    dry_run = Flag(load_default=False)


def _count() -> fields.Integer:
    return fields.Integer(strict=True, validate=validate.Range(min=0))


class KindOut(Shown):
    """How many of one kind, and how many bytes of files, where the kind has any; null where nobody has counted."""

    count = _count()
    bytes = fields.Integer(strict=True, allow_none=True, validate=validate.Range(min=0))


class PurgeOut(Shown):
    """What went, or would go."""

    dry_run = fields.Boolean()
    jobs = fields.Nested(KindOut)
    messages = fields.Nested(KindOut)
    attachments = fields.Nested(KindOut)
    outputs = fields.Nested(KindOut)
    more = fields.Boolean()


_PURGE_IN = PurgeIn()


async def purge(request: web.Request) -> web.Response:
    """POST /api/tenant/purge: what retention has let go of, by kind; with `dry_run`, what it would, and nothing goes.

    Workers do the same in every sweep, so nobody needs to call this. It takes one batch, in one transaction; `more`
    says whether there may be another. The bytes of files follow within a sweep.
    """
    no_query(request)
    caller = entitled(request, Permission.TENANT)
    asked = await read_body(request, _PURGE_IN) if request.can_read_body else _PURGE_IN.load({})
    if asked["dry_run"]:
        try:
            row = await would_purge(request.app[POOL], caller.tenant_id)
        except asyncpg.QueryCanceledError:
            raise Unavailable("counting took too long; workers purge all the same") from None
        told: dict[str, Any] = {kind: {"count": row[kind], "bytes": None} for kind in KINDS}
        told["attachments"]["bytes"], told["outputs"]["bytes"] = row["attachment_bytes"], row["output_bytes"]
        return json_response({"dry_run": True, **told, "more": False})
    async with request.app[POOL].acquire() as connection, connection.transaction():
        purged = await purge_batch(connection, caller.tenant_id)
        changes = {kind: [count, 0] for kind, count in purged.counts.items() if count}
        await record(connection, caller, "purge", "tenant", caller.tenant_code, changes, origin_of(request))
    shown = {kind: {"count": purged.counts[kind], "bytes": None} for kind in KINDS}
    return json_response({"dry_run": False, **shown, "more": purged.more})


routes = [web.post("/api/tenant/purge", purge)]

_REPORT = {
    "dry_run": True,
    "jobs": {"count": 120, "bytes": None},
    "messages": {"count": 15_000, "bytes": None},
    "attachments": {"count": 80, "bytes": 734_003_200},
    "outputs": {"count": 64, "bytes": 12_582_912},
    "more": False,
}
OPERATIONS = {
    purge: Operation(
        "purge_tenant",
        "Purge what has had its time",
        "Keys and tenants",
        {200: answer(PurgeOut, _REPORT, "What went, or would go.")},
        body=body(PurgeIn, {"dry_run": True}, required=False),
    ),
}
WORDS = {
    "PurgeIn.dry_run": "Only count what would go.",
    "Purge.dry_run": "Whether nothing has gone.",
    "Purge.jobs": "Jobs, with all that is theirs.",
    "Purge.messages": "Messages of jobs that stay.",
    "Purge.attachments": "Attachments of jobs that stay.",
    "Purge.outputs": "Output files of jobs that stay.",
    "Purge.more": "Whether another call may find more.",
    "Kind.count": "How many.",
    "Kind.bytes": "Bytes of their files, in a dry run.",
}
