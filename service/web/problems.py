"""GET /problems and /problems/{code}: where the `type` of every problem leads. Open to all: app.py says so.

Status, title and meaning come from the classes of service/errors.py; only what a caller can do about it stands here.
docs/errors.md is the same as one page, and a test keeps the three equal.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html import escape

from aiohttp import hdrs, web

from service import errors
from service.errors import LavoriError, NotFound
from service.web.payload import json_response

REMEDIES: Mapping[str, str] = {
    "internal": "Try again later. If it stays, tell the operator the `X-Request-Id`: it leads to the line in the log.",
    "malformed": "Correct what `detail` names; the same request again will fail again.",
    "unauthenticated": "Send `Authorization: Bearer <token>` with a live key. An admin of the tenant can make one.",
    "forbidden": "Use a key that has the permission, and send no `X-Customer-Code` but its own tenant's.",
    "not_found": "Check the path and the id, and that the key is one of the same tenant.",
    "method_not_allowed": "Use one of the methods in the header `Allow`.",
    "wrong_state": "Read the job again: `detail` says what state it is in, and what it would have to be.",
    "conflict": "Choose another code, or remove first what `detail` names.",
    "not_ready": "Ask again after the seconds of `Retry-After`.",
    "gone": "Ask the owner of the job for a new link.",
    "precondition_failed": "Read the resource again, and repeat the change with its present `ETag`.",
    "too_large": "Send less: `detail` names the limit.",
    "unsupported_media_type": "Send the `Content-Type` that `detail` names.",
    "not_implemented": "Leave out what `detail` names: it tells what is offered.",
    "range_not_satisfiable": "Ask for a range within the size that `Content-Range` tells, or for the whole.",
    "invalid": "Correct every place in `errors`: each `pointer` leads to one.",
    "unknown_job_type": "Check the spelling of `type`, or ask the operator to install it.",
    "idempotency_key_reused": "Take a new key for a new request; only the very same request gives the same job again.",
    "outbound_refused": "Name a public http or https address, or let the operator allow it in `LAVORI_OUTBOUND_ALLOW`.",
    "outbound_failed": "Check the address that `detail` names, and try again later.",
    "rate_limited": "Ask again after the seconds of `Retry-After`.",
    "cap_exceeded": "Ask again after the seconds of `Retry-After`, or let an admin raise the cap that `detail` names.",
    "unavailable": "Repeat the request after the seconds of `Retry-After`; a creation with the same `Idempotency-Key`.",
    "not_convertible": "Fetch the file in its own format; `detail` says why not in the other.",
    "storage_full": "Try again later; the operator has to make room.",
}

_HTML_HEADERS = {
    hdrs.VARY: hdrs.ACCEPT,
    "Content-Security-Policy": "default-src 'none'",
    "X-Content-Type-Options": "nosniff",
}
_CODE_SPAN = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Problem:
    """One code, explained."""

    type: str
    code: str
    status: int
    title: str
    meaning: str
    remedy: str


def explained() -> dict[str, Problem]:
    """Every code of service/errors.py, by status. The classes of one code share an entry; the first gives its title."""
    classes: dict[str, list[type[LavoriError]]] = {}
    for one in vars(errors).values():
        if isinstance(one, type) and issubclass(one, LavoriError):
            classes.setdefault(one.code, []).append(one)
    problems = [
        Problem(
            type=f"/problems/{code}",
            code=code,
            status=alike[0].status,
            title=alike[0].title,
            meaning=" ".join((one.__doc__ or "").strip() for one in alike),
            remedy=REMEDIES[code],
        )
        for code, alike in classes.items()
    ]
    return {problem.code: problem for problem in sorted(problems, key=lambda problem: problem.status)}


PROBLEMS = explained()


async def list_problems(request: web.Request) -> web.Response:
    """GET /problems: every code."""
    if not wants_html(request):
        listed = {"problems": [asdict(problem) for problem in PROBLEMS.values()]}
        return json_response(listed, headers={hdrs.VARY: hdrs.ACCEPT})
    items = "".join(
        f'<li>{one.status} <a href="{escape(one.type)}">{escape(one.code)}</a>: {_html(one.meaning)}</li>'
        for one in PROBLEMS.values()
    )
    return _page("Problems", f"<ul>{items}</ul>")


async def read_problem(request: web.Request) -> web.Response:
    """GET /problems/{code}: one code. Raises NotFound."""
    problem = PROBLEMS.get(request.match_info["code"])
    if problem is None:
        raise NotFound("no such problem")
    if not wants_html(request):
        return json_response(asdict(problem), headers={hdrs.VARY: hdrs.ACCEPT})
    return _page(
        problem.title,
        f"<p>Status {problem.status}, code <code>{escape(problem.code)}</code></p>"
        f"<p>{_html(problem.meaning)}</p><p>{_html(problem.remedy)}</p>"
        '<p><a href="/problems">All problems</a></p>',
    )


def wants_html(request: web.Request) -> bool:
    """Browsers name HTML; whatever else asks gets JSON."""
    return "text/html" in request.headers.get(hdrs.ACCEPT, "").lower()


def _html(text: str) -> str:
    return _CODE_SPAN.sub(r"<code>\1</code>", escape(text))


def _page(title: str, body: str) -> web.Response:
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    text = f'<!doctype html><html lang="en"><head>{head}</head><body><h1>{escape(title)}</h1>{body}</body></html>'
    return web.Response(text=text, content_type="text/html", charset="utf-8", headers=_HTML_HEADERS)


routes = [web.get("/problems", list_problems), web.get("/problems/{code}", read_problem)]
