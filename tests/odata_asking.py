"""Asking AIMS360's calls, whose errors have OData's form."""

from typing import Any

import orjson
from aiohttp import ClientSession

from asking import Answer

JOBS = "/jobsmanagement/odata/v1.0/backgroundjob"
DOCUMENTS = "/documentmanagement/odata/v1.0/aimsdocument"
EXPORT = "/reports/v1.0/reports/exportdata"


def rerun_path(job_id: str) -> str:
    """Where a job is run again."""
    return f"/jobsmanagement/v1.0/backgroundjob/{job_id}/rerun"


async def ask_odata(api: ClientSession, method: str, path: str, **how: Any) -> Answer:
    """Send a request and read the answer; an error is no 500, and says what it is."""
    async with api.request(method, path, **how) as response:
        raw = await response.read()
        body: Any = orjson.loads(raw) if raw and "json" in response.headers.get("Content-Type", "") else None
        answer = Answer(response.status, response.headers, body, raw.decode(errors="replace"))
        if response.status >= 400 and method != "HEAD":
            assert response.status in (501, 503) or response.status < 500, answer
            assert response.content_type == "application/json", answer
            assert body.keys() == {"error"}
            assert body["error"].keys() == {"code", "message"}
            assert body["error"]["code"]
            assert body["error"]["message"]
        return answer


async def listed(
    api: ClientSession, filter_: str | None = None, *, path: str = JOBS, headers: Any = None, **options: Any
) -> Any:
    """A page; an option is named without its dollar."""
    params = {f"${name}": str(value) for name, value in options.items()}
    if filter_ is not None:
        params["$filter"] = filter_
    answer = await ask_odata(api, "GET", path, params=params, headers=headers)
    assert answer.status == 200, answer
    return answer.body


async def the_job(api: ClientSession, job_id: str, **how: Any) -> Any:
    """The one job of this id."""
    (found,) = (await listed(api, f"jobId eq '{job_id}'", **how))["value"]
    return found


async def everything(api: ClientSession, filter_: str | None = None, **options: Any) -> list[Any]:
    """All entities on all pages."""
    page = await listed(api, filter_, **options)
    found = list(page["value"])
    while "@odata.nextLink" in page:
        async with api.get(page["@odata.nextLink"]) as response:
            page = await response.json()
            assert response.status == 200, page
        found += page["value"]
    return found
