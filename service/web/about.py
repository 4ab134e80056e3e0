"""What the OpenAPI document says of the API as a whole."""

from typing import Any

from service.version import VERSION

DESCRIPTION = """
Lavori runs jobs and keeps every promise about them.

- JSON is UTF-8, names are snake_case. Times are RFC 3339 in UTC with milliseconds. Ids are UUIDs.
- Bodies are validated as a whole: a 422 names every fault at once, each with a JSON pointer. Unknown members and
  unknown query parameters are refused, and so is a NUL character anywhere.
- Errors are problems of RFC 9457. Programs decide by `code`; `GET /problems/{code}` explains each.
- Every response carries `X-Request-Id`: the client's own, when it sends a sane one.
- Reads carry an `ETag` and answer `If-None-Match` with 304; writes honour `If-Match` with 412.
- Lists come in pages: `next`, and the header `Link`, lead to the next one, and are absent on the last.
- Every GET answers HEAD too, save the event streams, and the way back from a login.
- Every path below `/api` also answers below a language, `/{lang}/api`: see the servers.
- Whatever path parameter is no id of its kind is a 404, as is what the caller may not see.
"""

ABOUT: dict[str, Any] = {
    "info": {
        "title": "Lavori",
        "version": VERSION,
        "summary": "A microservice that runs jobs and keeps every promise about them.",
        "description": DESCRIPTION,
        "license": {"name": "MIT", "identifier": "MIT"},
    },
    "servers": [
        {"url": "/", "description": "Here."},
        {
            "url": "/{lang}",
            "description": "Here, below a language.",
            "variables": {"lang": {"default": "lang", "description": "Two letters, or the word lang."}},
        },
    ],
    "security": [{"bearer": []}],
    "tags": [
        {
            "name": "Jobs",
            "description": "Create, read, list, modify, cancel, suspend, resume, rerun, delete.",
        },
        {"name": "Many jobs", "description": "Up to 1,000 in one call."},
        {"name": "Watching", "description": "Long polls, event streams, numbers."},
        {"name": "Workers", "description": "Processes that run jobs, of all tenants."},
        {"name": "Job types", "description": "What can be run here."},
        {"name": "Definitions", "description": "Stored requests, and the schedules that run them."},
        {"name": "Files", "description": "Attachments, outputs and the links to them."},
        {
            "name": "Notices",
            "description": "Who is told of the end of a job, and whether that has come about.",
        },
        {"name": "Dues", "description": "What import_dovuti keeps."},
        {"name": "Keys and tenants", "description": "Who may call, and what they may do."},
        {"name": "Operations", "description": "For who runs the service; open to all."},
    ],
    "externalDocs": {"description": "Every problem, explained", "url": "/problems"},
}
