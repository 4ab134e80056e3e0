"""The middleware outside of all others: it times each request, and writes its line."""

import logging
from time import perf_counter

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from service.telemetry.metrics import ApiMetrics

ABANDONED = 499  # as nginx has it: the handler was cancelled, nobody got an answer
UNMATCHED = "unmatched"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_LANGUAGE = "/{lang}/"


def observe(metrics: ApiMetrics) -> Middleware:
    """The middleware that measures into `metrics`; made once, because it runs for every request."""
    log = structlog.get_logger().bind()
    lines = log.is_enabled_for(logging.INFO)
    histogram = metrics.requests

    @web.middleware
    async def observing(request: web.Request, handler: Handler) -> web.StreamResponse:
        status = ABANDONED
        began = perf_counter()
        try:
            response = await handler(request)
            status = response.status
        finally:
            seconds = perf_counter() - began
            method, route = _template(request)
            histogram(method, route, f"{status // 100}xx").observe(seconds)
            if lines:
                log.info(
                    "request",
                    action="http.request",
                    method=method,
                    route=route,
                    status=status,
                    duration_ms=round(seconds * 1000, 2),
                )
        return response

    return observing


def _template(request: web.Request) -> tuple[str, str]:
    """Method and route as words of which there are few: never a path, which may hold a link's token."""
    resource = request.match_info.route.resource
    method = request.method
    if resource is None:
        return method if method in _METHODS else "other", UNMATCHED
    route = resource.canonical
    return method, route[len(_LANGUAGE) - 1 :] if route.startswith(_LANGUAGE) else route
