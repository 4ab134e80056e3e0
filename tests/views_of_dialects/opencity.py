"""A client of OpenCity's version 1, which has neither cancel nor rerun."""

from collections.abc import Mapping
from typing import Any

from aiohttp import ClientSession

from asking import ask
from service.dialects.opencity import wire


class OpenCity:
    """Version 1."""

    words = wire.WORDS

    def __init__(self, api: ClientSession) -> None:
        self._api = api

    async def submit(self, type_: str, args: dict[str, Any]) -> str:
        made = await self._ask("POST", "/lang/api/jobs", 201, json={"type": type_, "args": args})
        return str(made["id"])

    async def word(self, job_id: str) -> str | None:
        read = await ask(self._api, "GET", f"/lang/api/jobs/{job_id}?version=1")
        return None if read.status == 404 else str(read.body["status"])

    async def progress(self, job_id: str) -> Mapping[str, Any]:
        read = await self._ask("GET", f"/lang/api/jobs/{job_id}", 200)
        return {name: read[name] for name in ("running_output", "started_at", "terminated_at")}

    async def output(self, job_id: str) -> str | None:
        output: str | None = (await self._ask("GET", f"/lang/api/jobs/{job_id}", 200))["output"]
        return output

    async def cancel(self, job_id: str) -> None:
        assert (await ask(self._api, "POST", f"/api/jobs/{job_id}/cancel")).status in (200, 202)

    async def rerun(self, job_id: str) -> None:
        assert (await ask(self._api, "POST", f"/api/jobs/{job_id}/rerun")).status == 200

    async def remove(self, job_id: str) -> None:
        await self._ask("DELETE", f"/lang/api/jobs/{job_id}", 204)

    async def _ask(self, method: str, path: str, status: int, **how: Any) -> Any:
        answer = await ask(self._api, method, path, headers={"X-Accept-Version": "1"}, **how)
        assert answer.status == status, answer
        return answer.body
