"""GET /api/doc: the OpenAPI document to be read and tried out, without a request to any other origin.

The viewer is Swagger UI, vendored under static/ as its makers shipped it: static/manifest.json names version, licence
and the SHA-256 of each file, and a test compares. Open to all: app.py says so.
"""

from importlib.resources import files
from pathlib import Path

from aiohttp import hdrs, web

from service.errors import NotFound

STATIC = Path(str(files("service.web") / "static"))
FILES = {
    "swagger-ui.css": STATIC / "swagger-ui" / "swagger-ui.css",
    "swagger-ui-bundle.js": STATIC / "swagger-ui" / "swagger-ui-bundle.js",
    "doc.css": STATIC / "doc.css",
    "doc.js": STATIC / "doc.js",
}
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
# The addresses are relative, so that the page works below a language, and below whatever a proxy puts in front.
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Lavori API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="doc/swagger-ui.css">
<link rel="stylesheet" href="doc/doc.css">
</head>
<body>
<div id="doc"></div>
<noscript>This page needs JavaScript; the document itself is at <a href="openapi.json">openapi.json</a>.</noscript>
<script src="doc/swagger-ui-bundle.js"></script>
<script src="doc/doc.js"></script>
</body>
</html>
"""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    hdrs.CACHE_CONTROL: "no-cache",  # asked again each time, and mostly answered 304
}


async def doc(_: web.Request) -> web.Response:
    """GET /api/doc: a page for people, which shows the OpenAPI document and lets each call be tried out."""
    return web.Response(text=PAGE, content_type="text/html", charset="utf-8", headers=HEADERS)


async def doc_file(request: web.Request) -> web.FileResponse:
    """GET /api/doc/{file}: what the page is made of."""
    found = FILES.get(request.match_info["file"])
    if found is None:
        raise NotFound("no such file")
    return web.FileResponse(found, headers={**HEADERS, hdrs.CONTENT_TYPE: TYPES[found.suffix]})


routes = [web.get("/api/doc", doc), web.get("/api/doc/{file}", doc_file)]
