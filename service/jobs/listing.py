"""GET /api/jobs: pages of the jobs that a caller may see."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from aiohttp import web
from marshmallow import Schema, fields, validate

from service.access.middleware import principal_of
from service.access.principal import Permission
from service.errors import Malformed
from service.jobs.asked import base_url
from service.jobs.core import CORE
from service.jobs.schemas import time, words
from service.jobs.selection import only
from service.jobs.states import PRIORITIES, Priority, Status
from service.web.payload import json_response, query, timestamp


class ListIn(Schema):
    """The query of GET /api/jobs; a repeated or comma-separated value means any of."""

    status = words(validate=validate.OneOf(list(Status)))
    type = words()
    definition = words()
    created_by = words()
    category = words()
    sub_category = words()
    priority = words(validate=validate.OneOf(list(Priority)))
    worker_tag = words()
    queue = words()
    client_request_id = words()
    correlation_id = words()
    idempotency_key = words()
    number = fields.List(fields.Integer(validate=validate.Range(0, 2**63 - 1)), load_default=None)
    created_from = time()
    created_to = time()
    updated_from = time()
    updated_to = time()
    terminated_from = time()
    terminated_to = time()
    sort = fields.String(load_default="-created_at", validate=validate.OneOf(["-created_at"]))
    limit = fields.Integer(load_default=100, validate=validate.Range(1, 1_000))
    cursor = fields.String(load_default=None)
    fields_ = fields.List(fields.String(), load_default=None, data_key="fields")


_LIST_IN = ListIn()


async def list_(request: web.Request) -> web.Response:
    """GET /api/jobs: a page of the jobs that the caller may see, newest first."""
    core = request.app[CORE]
    principal = principal_of(request)
    asked = query(request, _LIST_IN)
    if asked["priority"]:
        asked["priority"] = [PRIORITIES.index(Priority(word)) for word in asked["priority"]]
    after = _parse_cursor(asked["cursor"]) if asked["cursor"] else None
    reader = None if principal.may(Permission.JOBS_READ_ALL) else principal.name
    limit: int = asked["limit"]
    filters = {name: value for name, value in asked.items() if value not in (None, [])}
    found = await list_jobs(core.pool, principal.tenant_id, reader, after, filters, limit + 1)
    bodies = await core.reader.bodies(principal.tenant_id, found[:limit], base_url(request))
    if asked["fields_"]:
        bodies = [only(body, asked["fields_"]) for body in bodies]
    envelope: dict[str, Any] = {"jobs": [orjson.Fragment(body) for body in bodies]}
    headers = {}
    if len(found) > limit:
        last = found[limit - 1]
        cursor = _cursor(last["created_at"], last["id"])
        envelope["next"] = str(request.rel_url.update_query(cursor=cursor))
        headers["Link"] = f'<{envelope["next"]}>; rel="next"'
    return json_response(envelope, headers=headers)


def _cursor(created_at: datetime, job_id: UUID) -> str:
    return urlsafe_b64encode(f"{timestamp(created_at)} {job_id}".encode()).decode().rstrip("=")


def _parse_cursor(text: str) -> tuple[datetime, UUID]:
    try:
        when, _, job_id = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition(" ")
        return datetime.fromisoformat(when), UUID(job_id)
    except ValueError:
        raise Malformed("cursor: is none that this list has given") from None


LIST = """
SELECT jobs.id, jobs.version, jobs.status, jobs.created_by, jobs.created_at
FROM jobs
JOIN job_requests AS asked ON asked.job_id = jobs.id
WHERE jobs.tenant_id = $1
  AND ($2::text IS NULL OR jobs.created_by = $2 OR EXISTS (
        SELECT FROM job_definitions WHERE job_definitions.tenant_id = jobs.tenant_id AND job_definitions.code =
        jobs.definition
          AND job_definitions.shared_with && ARRAY[$2, '*']))
  AND ($3::timestamptz IS NULL OR (jobs.created_at, jobs.id) < ($3, $4::uuid))
  AND ($5::text[] IS NULL OR jobs.status = ANY ($5))
  AND ($6::text[] IS NULL OR jobs.type = ANY ($6))
  AND ($7::text[] IS NULL OR jobs.definition = ANY ($7))
  AND ($8::text[] IS NULL OR jobs.created_by = ANY ($8))
  AND ($9::text[] IS NULL OR asked.category = ANY ($9))
  AND ($10::text[] IS NULL OR asked.sub_category = ANY ($10))
  AND ($11::smallint[] IS NULL OR jobs.priority = ANY ($11))
  AND ($12::text[] IS NULL OR jobs.worker_tag = ANY ($12))
  AND ($13::text[] IS NULL OR jobs.queue = ANY ($13))
  AND ($14::text[] IS NULL OR asked.client_request_id = ANY ($14))
  AND ($15::text[] IS NULL OR asked.correlation_id = ANY ($15))
  AND ($16::text[] IS NULL OR asked.idempotency_key = ANY ($16))
  AND ($17::bigint[] IS NULL OR jobs.number = ANY ($17))
  AND ($18::timestamptz IS NULL OR jobs.created_at >= $18) AND ($19::timestamptz IS NULL OR jobs.created_at <= $19)
  AND ($20::timestamptz IS NULL OR jobs.updated_at >= $20) AND ($21::timestamptz IS NULL OR jobs.updated_at <= $21)
  AND ($22::timestamptz IS NULL OR jobs.terminated_at >= $22) AND ($23::timestamptz IS NULL OR
  jobs.terminated_at <= $23)
ORDER BY jobs.created_at DESC, jobs.id DESC
LIMIT $24
"""


async def list_jobs(
    connection: asyncpg.Pool,
    tenant_id: int,
    reader: str | None,
    after: tuple[datetime, UUID] | None,
    filters: dict[str, Any],
    limit: int,
) -> list[asyncpg.Record]:
    """A page of headings with `created_at`, newest first, of the jobs that `reader` may see (None: all)."""
    names = (
        "status", "type", "definition", "created_by", "category", "sub_category", "priority", "worker_tag", "queue",
        "client_request_id", "correlation_id", "idempotency_key", "number",
        "created_from", "created_to", "updated_from", "updated_to", "terminated_from", "terminated_to",
    )  # fmt: skip
    rows: list[asyncpg.Record] = await connection.fetch(
        LIST, tenant_id, reader, *(after or (None, None)), *(filters.get(name) for name in names), limit
    )
    return rows


routes = [web.get("/api/jobs", list_)]
