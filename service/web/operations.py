"""The routes of section Operations of the contract, for the OpenAPI document."""

from service.errors import NotFound, Unauthenticated
from service.web import dashboard, health, openapi, problems, scrape, viewer
from service.web.described import JSON, UNCHANGED, Answer, Operation, answer
from service.web.problems import PROBLEMS

TAG = "Operations"
_STRING = {"type": "string"}
_OF_A_FILE = ("Cache-Control", "ETag", "Last-Modified", "Accept-Ranges")
_HTML = {"text/html": _STRING}


def _object(**members: object) -> dict[str, object]:
    return {
        "type": "object",
        "properties": members,
        "required": list(members),
        "additionalProperties": False,
    }


_PROBLEM = _object(
    type=_STRING,
    code={"enum": list(PROBLEMS)},
    status={"type": "integer"},
    title=_STRING,
    meaning=_STRING,
    remedy=_STRING,
)
_EXPLAINED = {
    "type": "/problems/not_ready",
    "code": "not_ready",
    "status": 409,
    "title": "Not ready",
    "meaning": "A link whose output is not there yet.",
    "remedy": "Ask again after the seconds of `Retry-After`.",
}
_PART = {"enum": ["ok", "unavailable"]}

OPERATIONS = {
    health.livez: Operation(
        "livez",
        "Is it alive",
        TAG,
        {200: answer(_object(status={"const": "ok"}), {"status": "ok"}, "It is.")},
    ),
    health.readyz: Operation(
        "readyz",
        "Is it ready",
        TAG,
        {
            200: answer(
                {
                    **_object(status={"const": "ok"}, checks=_object(postgresql=_PART, redis=_PART)),
                    "required": ["status"],
                },
                {"status": "ok", "checks": {"postgresql": "ok", "redis": "ok"}},
                "It is.",
            )
        },
        more_query=(
            {
                "name": "verbose",
                "in": "query",
                "description": "Report PostgreSQL and Redis; any value.",
                "allowEmptyValue": True,
                "schema": _STRING,
            },
        ),
    ),
    scrape.scrape: Operation(
        "metrics",
        "Metrics for Prometheus",
        TAG,
        {
            200: Answer(
                "The metrics of the whole system.",
                {"text/plain": _STRING, "application/openmetrics-text": _STRING},
            )
        },
        errors=(Unauthenticated,),
        may_need="metrics",
        more="The text format of Prometheus, or OpenMetrics for who asks for it.",
    ),
    problems.list_problems: Operation(
        "list_problems",
        "All problems that there can be",
        TAG,
        {
            200: Answer(
                "The problems, as JSON, or as a page for who asks for HTML.",
                {JSON: _object(problems={"type": "array", "items": _PROBLEM}), **_HTML},
                {"problems": [_EXPLAINED]},
                ("Vary",),
            )
        },
    ),
    problems.read_problem: Operation(
        "read_problem",
        "What a problem means, and what to do about it",
        TAG,
        {
            200: Answer(
                "The problem, as JSON, or as a page for who asks for HTML.",
                {JSON: _PROBLEM, **_HTML},
                _EXPLAINED,
                ("Vary",),
            )
        },
        path={"code": {"enum": list(PROBLEMS)}},
    ),
    openapi.openapi: Operation(
        "openapi",
        "This document",
        TAG,
        {200: Answer("OpenAPI 3.1.", {JSON: {"type": "object"}}, None, ("Cache-Control",))},
    ),
    viewer.doc: Operation(
        "doc", "This document as a page", TAG, {200: Answer("The page.", _HTML, None, ("Cache-Control",))}
    ),
    viewer.doc_file: Operation(
        "doc_file",
        "A file of that page",
        TAG,
        {
            200: Answer(
                "The file.",
                {"text/javascript": _STRING, "text/css": _STRING},
                None,
                _OF_A_FILE,
            ),
            206: Answer("A part of the file.", {"*/*": {}}, None, (*_OF_A_FILE, "Content-Range")),
            304: UNCHANGED,
        },
        takes=("If-None-Match",),
        errors=(NotFound,),
        path={"file": {"enum": list(viewer.FILES)}},
    ),
    dashboard.index: Operation(
        "dashboard",
        "The dashboard",
        TAG,
        {200: Answer("The page.", _HTML, None, ("Cache-Control",))},
    ),
    dashboard.asset: Operation(
        "dashboard_file",
        "A file of the dashboard",
        TAG,
        {
            200: Answer(
                "The file.",
                {"text/javascript": _STRING, "text/css": _STRING},
                None,
                ("Cache-Control", "Vary"),
            )
        },
        errors=(NotFound,),
        path={"build": _STRING, "file": _STRING},
    ),
}

WORDS: dict[str, str] = {}
