"""GET /: the dashboard, a client of the API like any other: it has no privilege of its own.

It is a folder of ES modules and the libraries vendored beside it (static/manifest.json); nothing builds it. The address
of each file carries a digest of all of them, so that a browser keeps them for good, and never mixes two versions. Open
to all: app.py says so.
"""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from service.errors import NotFound
from service.keys import SETTINGS
from service.web.viewer import HEADERS, STATIC, TYPES

FOLDER = STATIC / "dashboard"
LIBRARIES = (
    "preact/preact.min.umd.js",
    "preact/hooks.umd.js",
    "signals-core/signals-core.min.js",
    "signals/signals.min.js",
    "htm/htm.umd.js",
    "uplot/uPlot.iife.min.js",
    "uplot/uPlot.min.css",
)
FOR_GOOD = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent: plain, or packed for who takes gzip."""

    kind: str
    plain: bytes
    packed: bytes


@dataclass(frozen=True, slots=True)
class Build:
    """All files by their paths, the digest of all of them, and the page."""

    digest: str
    assets: dict[str, Asset]
    page: str


@cache
def build() -> Build:
    """Read the files; they are less than a megabyte, and do not change while the service runs."""
    found = {path.relative_to(FOLDER).as_posix(): path for path in sorted(FOLDER.rglob("*.*"))}
    page = found.pop("index.html").read_text(encoding="utf-8")
    found |= {name: STATIC / name for name in LIBRARIES}
    assets = {name: _asset(path) for name, path in found.items()}
    whole = hashlib.sha256()
    for name, asset in assets.items():
        whole.update(name.encode() + b"\0" + asset.plain)
    digest = whole.hexdigest()[:16]
    modules = [name for name in assets if name.endswith(".js") and name not in LIBRARIES]
    hints = "\n".join(f'<link rel="modulepreload" href="dashboard/{digest}/{name}">' for name in modules)
    return Build(digest, assets, page.replace("{build}", digest).replace("<!-- modules -->", hints))


def _asset(path: Path) -> Asset:
    plain = path.read_bytes()
    return Asset(KINDS[path.suffix], plain, gzip.compress(plain, mtime=0))


KINDS = {**TYPES, ".svg": "image/svg+xml"}


async def index(request: web.Request) -> web.Response:
    """GET /: the dashboard; it logs in with a key that somebody types, with the ticket behind the `#`, or elsewhere.

    Elsewhere: at the OpenID provider, whose name the page is told where there is one (service/access/login_routes.py).
    """
    settings = request.app.get(SETTINGS)
    issuer = settings.oidc_issuer if settings is not None and settings.oidc_client_id is not None else None
    page = build().page.replace("{provider}", escape(urlsplit(issuer or "").netloc))
    return web.Response(text=page, content_type="text/html", charset="utf-8", headers=HEADERS)


async def asset(request: web.Request) -> web.Response:
    """GET /dashboard/{build}/{file}: what the page is made of, to be kept for good."""
    built = build()
    found = built.assets.get(request.match_info["file"])
    if found is None or request.match_info["build"] != built.digest:
        raise NotFound("no such file")
    headers = {
        **HEADERS,
        hdrs.CONTENT_TYPE: found.kind,
        hdrs.CACHE_CONTROL: FOR_GOOD,
        hdrs.VARY: hdrs.ACCEPT_ENCODING,
    }
    if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        return web.Response(body=found.packed, headers={**headers, hdrs.CONTENT_ENCODING: "gzip"})
    return web.Response(body=found.plain, headers=headers)


routes = [web.get("/", index), web.get("/dashboard/{build}/{file:.+}", asset)]
