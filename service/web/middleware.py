"""The outermost middleware: a request id on every response, and errors as RFC 9457 problems."""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Any

import structlog
from aiohttp import web

from service.db.pool import UNREACHABLE
from service.errors import (
    Invalid,
    LavoriError,
    Malformed,
    MethodNotAllowed,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from service.keys import DRAINING
from service.telemetry.logs import bind, bind_more
from service.telemetry.trace import read_traceparent, trace_id_of
from service.web.encoding import dumps
from service.web.observe import ABANDONED, OBSERVE

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
REQUEST_ID = web.RequestKey("request_id", str)
TRACEPARENT = web.RequestKey("traceparent", str)
MORE_HEADERS: web.RequestKey[dict[str, str]] = web.RequestKey("more_headers")
"""What every response to this request says, whatever comes of it: its id, and what is added."""

Refusal = Callable[[LavoriError], tuple[int, Any]]
"""The status and the JSON body that say what went wrong, in the form of another vendor."""
REFUSALS: web.AppKey[Sequence[tuple[str, Refusal]]] = web.AppKey("refusals")
"""Below which path (`/webapi`) which form holds; everywhere else it is RFC 9457."""

_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}", re.ASCII)
PROBLEM_JSON = "application/problem+json"


@web.middleware
async def edge(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id, turn what was raised into a problem, and take note of the end."""
    began = perf_counter()
    given = request.headers.get("X-Request-Id")
    request_id = given if given and _SANE_ID.fullmatch(given) else new_request_id()
    request[REQUEST_ID] = request_id
    request[MORE_HEADERS] = {"X-Request-Id": request_id}
    bind(request_id=request_id)
    if (traceparent := read_traceparent(request.headers.get("traceparent"))) is not None:
        request[TRACEPARENT] = traceparent
        bind_more(trace_id=trace_id_of(traceparent))
    try:
        response = await handler(request)
    except asyncio.CancelledError:
        _observe(request, ABANDONED, began)
        raise
    except LavoriError as error:
        response = problem_response(request, error)
    except web.HTTPException as error:
        response = _of_aiohttp(request, error)
    except Exception as error:
        if not is_unreachable(error):
            log.exception("request failed", action="http.error", request_id=request_id, method=request.method)
            error = LavoriError(f"something went wrong; the log knows more under request {request_id}")
        else:
            log.warning(
                "database unavailable",
                action="db.unavailable",
                request_id=request_id,
                error=f"{type(error).__name__}: {error}",
            )
            error = Unavailable("the database can't be reached at the moment")
        response = problem_response(request, error)
    _observe(request, response.status, began)
    return response


def new_request_id() -> str:
    """96 random bits; no secret, so that they are not asked of the system, which takes 2 µs."""
    return f"{random.getrandbits(96):024x}"


def _observe(request: web.Request, status: int, began: float) -> None:
    observe = request.app.get(OBSERVE)
    if observe is not None:
        observe(request, status, perf_counter() - began)


async def sign(request: web.Request, response: web.StreamResponse) -> None:
    """An `on_response_prepare` of the application: every response, streamed ones too, carries its request's id."""
    more = request.get(MORE_HEADERS)
    response.headers.update({"X-Request-Id": new_request_id()} if more is None else more)
    if request.app[DRAINING].is_set():  # the next request of this client belongs to another process
        response.headers["Connection"] = "close"
        response.force_close()


def is_unreachable(error: Exception) -> bool:
    """Whether PostgreSQL is away, rather than a file (its errors bear names) or a value that it can't take."""
    return isinstance(error, UNREACHABLE) and not (
        isinstance(error, ValueError) or getattr(error, "filename", None)
    )


def problem(error: LavoriError, instance: str | None = None) -> dict[str, Any]:
    """The body of RFC 9457, with `code`, and `errors` of an Invalid."""
    body: dict[str, Any] = {
        "type": f"/problems/{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": str(error),
        "code": error.code,
    }
    if instance:
        body["instance"] = instance
    if isinstance(error, Invalid):
        body["errors"] = [{"pointer": fault.pointer, "detail": fault.detail} for fault in error.faults]
    return body


def problem_response(request: web.Request, error: LavoriError) -> web.Response:
    """The problem as a response, with the headers that its status asks for; in a vendor's form below its paths."""
    status, body, kind = _told(request, error)
    headers = {"Content-Type": kind}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    response = web.Response(body=dumps(body), status=status, headers=headers)
    close_after_broken_body(request, response)
    return response


def close_after_broken_body(request: web.Request, response: web.Response) -> None:
    """Let the connection end with this response if the body broke off: where a next request begins, nobody knows."""
    if request.content.exception() is not None:
        request.content.feed_eof()
        response.force_close()


def _told(request: web.Request, error: LavoriError) -> tuple[int, Any, str]:
    """Status, body and media type."""
    for prefix, refusal in request.app.get(REFUSALS, ()):
        if request.path == prefix or request.path.startswith(f"{prefix}/"):
            return *refusal(error), "application/json; charset=utf-8"
    return error.status, problem(error, request.rel_url.raw_path), PROBLEM_JSON


def _of_aiohttp(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    if isinstance(error, web.HTTPNotFound):
        return problem_response(request, NotFound("there is nothing here"))
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        response = problem_response(
            request, MethodNotAllowed(f"{error.method} is not allowed here; allowed: {allowed}")
        )
        response.headers["Allow"] = allowed
        return response
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return problem_response(request, TooLarge("the body", request.client_max_size))
    if 400 <= error.status < 500:  # noqa: PLR2004 - what aiohttp itself finds wrong with a request
        return problem_response(request, Malformed(error.reason))
    return error
