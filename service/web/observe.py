"""What is kept of each request: its time, and its line in the log. It runs for every request, so it does little."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.web_urldispatcher import AbstractRoute

from service.telemetry.logs import direct_info
from service.telemetry.request_times import RequestTimes, Times

ABANDONED = 499  # as nginx has it: the handler was cancelled, nobody got an answer
UNMATCHED = "unmatched"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_LANGUAGE = "/{lang}"

Observe = Callable[[web.Request, int, float], None]
OBSERVE: web.AppKey[Observe] = web.AppKey("observe")


@dataclass(frozen=True, slots=True)
class _Kind:
    method: str
    route: str
    times: Times


def template_of(request: web.Request) -> str | None:
    """The template of the request's route, `/api/jobs/{id}`; None where nothing is there."""
    resource = request.match_info.route.resource
    return None if resource is None else resource.canonical.removeprefix(_LANGUAGE)


def observer(all_times: RequestTimes) -> Observe:
    """What is to be called at the end of each request with its status and seconds."""
    info = direct_info()
    kinds: dict[tuple[AbstractRoute, int], _Kind] = {}

    def kind_of(request: web.Request, status: int) -> _Kind:
        method, template = request.method, template_of(request)
        if template is None:  # the route was made for this request alone, so is not to be remembered
            method = method if method in METHODS else "other"
            return _Kind(method, UNMATCHED, all_times.of(method, UNMATCHED, status))
        kind = _Kind(method, template, all_times.of(method, template, status))
        kinds[request.match_info.route, status] = kind
        return kind

    def observe(request: web.Request, status: int, seconds: float) -> None:
        kind = kinds.get((request.match_info.route, status)) or kind_of(request, status)
        kind.times.observe(seconds)
        if info:
            info(
                {
                    "action": "http.request",
                    "method": kind.method,
                    "route": kind.route,  # never the path: that of a link holds its token
                    "status": status,
                    "duration_ms": round(seconds * 1000, 2),
                    "event": "request",
                }
            )

    return observe
