"""GET /api/audit: who did what to what, when, and from where; newest first."""

from datetime import UTC, datetime, timedelta

import asyncpg
from aiohttp import web
from marshmallow import fields, validate

from service.access.listing import PageIn, list_response, page_in
from service.access.middleware import entitled
from service.access.principal import Permission
from service.access.schemas import YEARS
from service.keys import POOL
from service.web.encoding import fragment
from service.web.payload import query

LONGEST_WORD = 500


def _word() -> fields.String:
    return fields.String(load_default=None, validate=validate.Length(1, LONGEST_WORD))


def _time(word: str) -> fields.AwareDateTime:
    return fields.AwareDateTime(format="iso", load_default=None, data_key=word, validate=YEARS)


class AuditIn(PageIn):
    """The query of the audit; `from` and `to` are both included."""

    principal = _word()
    action = _word()
    object_type = _word()
    object_id = _word()
    from_ = _time("from")
    to = _time("to")


_AUDIT_IN = AuditIn()

# Newest first by time, then by number: that is the primary key, so a page costs the same wherever it lies.
AUDIT = """
SELECT id, at, principal, key_id, action, object_type, object_id, address, request_id, changes,
       (extract(epoch FROM at) * 1000)::bigint || '.' || id AS place
FROM audit
WHERE tenant_id = $1
  AND ($2::text IS NULL OR principal = $2) AND ($3::text IS NULL OR action = $3)
  AND ($4::text IS NULL OR object_type = $4) AND ($5::text IS NULL OR object_id = $5)
  AND at >= coalesce($6::timestamptz, '-infinity') AND at <= coalesce($7::timestamptz, 'infinity')
  AND (at, id) < (coalesce($8::timestamptz, 'infinity'), coalesce($9::bigint, 0))
ORDER BY at DESC, id DESC
LIMIT $10
"""


async def audit(request: web.Request) -> web.Response:
    """GET /api/audit: the tenant's audit, newest first."""
    caller = entitled(request, Permission.AUDIT)
    asked = query(request, _AUDIT_IN)
    page = page_in(asked, _place)
    rows: list[asyncpg.Record] = await request.app[POOL].fetch(
        AUDIT,
        caller.tenant_id,
        *(asked[name] for name in ("principal", "action", "object_type", "object_id", "from_", "to")),
        *(page.after or (None, None)),
        page.limit + 1,
    )
    shown = [{**row, "changes": fragment(row["changes"])} for row in rows]
    return list_response(request, page, "audit", shown, cursor="place", hidden=("place",))


def _place(text: str) -> tuple[datetime, int]:
    """Where a page goes on: the time in milliseconds, and the number. Raises ValueError."""
    milliseconds, _, number = text.partition(".")
    if len(milliseconds) > 15 or not milliseconds.isdigit() or not number.isdigit() or len(number) > 18:  # noqa: PLR2004
        raise ValueError(text)
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(milliseconds)), int(number)


routes = [web.get("/api/audit", audit)]
