"""Reading dues over HTTP. Whoever belongs to the tenant may: dues are the tenant's, not of who imported them."""

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
    limit, payer = asked["limit"], asked["payer_tax_identification_number"]
    rows = await store.dovuti(
        request.app[POOL],
        principal_of(request).tenant_id,
        asked["service_id"],
        after=asked["cursor"],
        notice_number=asked["notice_number"],
        payer=payer.upper() if payer else None,
        limit=limit + 1,
    )
    shown = [dict(row) for row in rows[:limit]]
    if len(rows) <= limit:
        return json_response({"dovuti": shown})
    following = str(request.rel_url.update_query(cursor=shown[-1]["notice_number"]))
    return json_response({"dovuti": shown, "next": following}, headers={"Link": f'<{following}>; rel="next"'})


routes: list[web.RouteDef] = [web.get("/api/dovuti", list_dovuti)]
