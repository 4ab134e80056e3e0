"""Asking Alteryx's calls, whose errors are `{"message": …}`."""

from typing import Any

import orjson
from aiohttp import ClientSession

from asking import Answer, ask

JOBS = "/webapi/v3/jobs"
TOKEN = "/webapi/oauth2/token"


def workflow_path(code: str) -> str:
    """The jobs of a workflow."""
    return f"/webapi/v3/workflows/{code}/jobs"


async def ask_alteryx(api: ClientSession, method: str, path: str, **how: Any) -> Answer:
    """Send a request and read the answer; an error is no 500, and says what it is."""
    async with api.request(method, path, **how) as response:
        raw = await response.read()
        body: Any = orjson.loads(raw) if raw and "json" in response.headers.get("Content-Type", "") else None
        answer = Answer(response.status, response.headers, body, raw.decode(errors="replace"))
        if response.status >= 400:
            assert response.status < 500, answer
            assert response.content_type == "application/json", answer
            assert body.keys() == {"message"}
            assert body["message"]
    return answer


async def make_workflow(api: ClientSession, code: str, type_: str = "echo", **more: Any) -> None:
    """A definition, which is a workflow."""
    made = await ask(api, "POST", "/api/job-definitions", json={"code": code, "type": type_, **more})
    assert made.status == 201, made


async def run_workflow(api: ClientSession, code: str, headers: Any = None, **body: Any) -> str:
    """Run it; the id of the job."""
    made = await ask_alteryx(api, "POST", workflow_path(code), json=body, headers=headers)
    assert made.status == 200, made
    return str(made.body["id"])
