"""A span of each request: it is in the application only where requests are traced."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from service.telemetry.logs import bind_more
from service.telemetry.spans import Span, begin, entered
from service.telemetry.trace import trace_id_of
from service.web.middleware import REQUEST_ID, TRACEPARENT
from service.web.observe import METHODS, Observe, template_of

SPAN: web.RequestKey[Span] = web.RequestKey("span")
UNTRACED = frozenset({"/livez", "/readyz", "/metrics"})  # asked every few seconds, by machines
SERVER_ERROR = 500


@web.middleware
async def traced(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Begin the span, below that of the caller, and make it the parent of what the request sets off."""
    route = template_of(request)
    if route in UNTRACED:
        return await handler(request)
    method = request.method if request.method in METHODS else "_OTHER"  # as the conventions have it
    about = {
        "http.request.method": method,
        "url.scheme": request.scheme,
        "lavori.request.id": request[REQUEST_ID],
    }
    if route is not None:
        about["http.route"] = route
    name = " ".join(filter(None, ("HTTP" if method == "_OTHER" else method, route)))
    begun = begin(name, "server", about, parent=request.get(TRACEPARENT))
    if begun is None:
        return await handler(request)
    request[SPAN], request[TRACEPARENT] = begun, begun.traceparent
    bind_more(trace_id=trace_id_of(begun.traceparent))
    with entered(begun):
        return await handler(request)


def ending_spans(observe: Observe) -> Observe:
    """End the span too where the end of a request is observed: its status is known there, whatever was raised."""

    def end(request: web.Request, status: int, seconds: float) -> None:
        observe(request, status, seconds)
        if (begun := request.get(SPAN)) is not None:
            begun.note({"http.response.status_code": status})
            if status >= SERVER_ERROR:
                begun.fail(str(status))
            begun.end()

    return end
