"""The cookie of a session, that of a login under way, and what keeps other origins from making use of it."""

from datetime import datetime
from ipaddress import ip_address
from typing import Any

from aiohttp import web
from yarl import URL

from service.errors import Forbidden
from service.keys import SETTINGS

DASHBOARD = "X-Lavori-Dashboard"
"""The header of calls that change something: a page of another origin can't send it, since no CORS lets it."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def cookie_name(request: web.Request) -> str:
    """The name of the cookie.

    `__Host-` keeps other hosts of the domain from setting it. Without TLS, on this machine alone, the port is in the
    name: cookies are the same for all ports, and two systems may run side by side.
    """
    return "__Host-lavori" if is_secure(request) else f"lavori_{_base(request).port}"


def is_secure(request: web.Request) -> bool:
    """Whether the cookie is for https alone: everywhere but on this machine's own addresses."""
    base = _base(request)
    return base.scheme == "https" or not _is_loopback(base.host or "")


def session_of(request: web.Request) -> str | None:
    """The token in the cookie."""
    return request.cookies.get(cookie_name(request))


def give(
    request: web.Request, response: web.Response, token: str, expires_at: datetime, seconds: int
) -> None:
    """Let the client keep a session."""
    until = expires_at.strftime("%a, %d %b %Y %H:%M:%S GMT")
    response.set_cookie(
        cookie_name(request), token, expires=until, max_age=seconds, **_kind(request, "Strict")
    )


def take(request: web.Request, response: web.Response) -> None:
    """Let the client drop it."""
    response.del_cookie(cookie_name(request), **_kind(request, "Strict"))


def login_of(request: web.Request) -> str | None:
    """What the cookie of a login under way holds."""
    return request.cookies.get(_login_name(request))


def give_login(request: web.Request, response: web.Response, kept: str, seconds: int) -> None:
    """Let the client keep a login under way. Lax: it must come along when another site leads the browser back."""
    response.set_cookie(_login_name(request), kept, max_age=seconds, **_kind(request, "Lax"))


def take_login(request: web.Request, response: web.Response) -> None:
    """Let the client drop it."""
    response.del_cookie(_login_name(request), **_kind(request, "Lax"))


def _kind(request: web.Request, same_site: str) -> dict[str, Any]:
    """What every cookie of ours is: of this host alone, and out of reach of scripts."""
    return {"path": "/", "secure": is_secure(request), "httponly": True, "samesite": same_site}


def _login_name(request: web.Request) -> str:
    return f"{cookie_name(request)}_login"


def refuse_forgeries(request: web.Request) -> None:
    """Raise Forbidden for a call that changes something and may come from another origin's page."""
    if request.method in _SAFE:
        return
    refuse_other_sites(request)
    if DASHBOARD not in request.headers:
        raise Forbidden(f"a call with a session that changes something needs the header {DASHBOARD}")


def refuse_other_sites(request: web.Request) -> None:
    """Raise Forbidden where a browser says that another origin's page sent this."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("this can't be asked from another origin")


def _base(request: web.Request) -> URL:
    """The origin that the browser sees."""
    settings = request.app.get(SETTINGS)
    if settings is not None and settings.public_url:
        return URL(settings.public_url)
    return request.url.origin()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
