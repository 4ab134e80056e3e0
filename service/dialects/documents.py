"""GET /api/openapi/{dialect}.json: the OpenAPI document of each dialect that is switched on. Open to all."""

import asyncio
from collections.abc import Mapping

from aiohttp import hdrs, web

from service.errors import NotFound
from service.web.described import Operation, answer
from service.web.openapi import Document

DOCUMENTS: web.AppKey[Mapping[str, Document]] = web.AppKey("documents of dialects")


async def dialect_openapi(request: web.Request) -> web.Response:
    """GET /api/openapi/{dialect}.json: the document of one dialect. Raises NotFound."""
    document = request.app[DOCUMENTS].get(request.match_info["dialect"])
    if document is None:
        raise NotFound("no such dialect, or it is switched off")
    # The first one makes it, which takes a moment: off the loop.
    body = await asyncio.to_thread(getattr, document, "json")
    return web.Response(
        body=body,
        headers={hdrs.CONTENT_TYPE: "application/json; charset=utf-8", hdrs.CACHE_CONTROL: "no-cache"},
    )


routes = [web.get("/api/openapi/{dialect}.json", dialect_openapi)]

OPERATIONS = {
    dialect_openapi: Operation(
        "dialect_openapi",
        "The document of a dialect",
        "Operations",
        {200: answer({"type": "object"}, {"openapi": "3.1.0"}, "OpenAPI 3.1.", "Cache-Control")},
        path={"dialect": {"type": "string", "example": "opencity"}},
    )
}
WORDS: dict[str, str] = {}
