"""Reading dues over HTTP. Whoever belongs to the tenant may: dues are the tenant's, not of who imported them."""

from typing import Any

from aiohttp import web

from service.access.middleware import principal_of
from service.dovuti import store
from service.dovuti.schemas import DovutiIn
from service.keys import POOL
from service.web.payload import json_response, query

_DOVUTI_IN = DovutiIn()


async def list_dovuti(request: web.Request) -> web.Response:
    """GET /api/dovuti: the dues of one service by notice number, in keyset pages."""
    asked = query(request, _DOVUTI_IN)
    pool, tenant_id = request.app[POOL], principal_of(request).tenant_id
    limit, notice, payer = asked["limit"], asked["notice_number"], asked["payer_tax_identification_number"]
    wanted = {"notice_number": notice, "payer": payer.upper() if payer else None}
    rows = await store.dovuti(
        pool, tenant_id, asked["service_id"], after=asked["cursor"], limit=limit + 1, **wanted
    )
    envelope: dict[str, Any] = {"dovuti": [dict(row) for row in rows[:limit]]}
    headers = {}
    if asked["count"]:
        envelope["count"] = await store.count(pool, tenant_id, asked["service_id"], **wanted)
    if len(rows) > limit:
        envelope["next"] = str(request.rel_url.update_query(cursor=rows[limit - 1]["notice_number"]))
        headers["Link"] = f'<{envelope["next"]}>; rel="next"'
    return json_response(envelope, headers=headers)


routes: list[web.RouteDef] = [web.get("/api/dovuti", list_dovuti)]
