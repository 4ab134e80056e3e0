"""A client of Conscia's jobs, which can neither be cancelled, nor run again, nor removed."""

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import ClientSession

from asking import ask
from service.dialects.conscia import wire

JOBS = "/vue/_api/v1/jobs"


class Conscia:
    """A client of the tenant `default`."""

    words = wire.WORDS

    def __init__(self, api: ClientSession) -> None:
        self._api = api

    async def submit(self, type_: str, args: dict[str, Any]) -> str:
        path = f"/vue/_api/v1/job-types/{type_}/_execute"
        made = await self._ask("POST", path, json={"params": args})
        day, _, job_id = made["jobId"].partition("-")
        read = await self._read(job_id)
        assert read["jobId"] == made["jobId"]
        assert read["createdAt"].replace("-", "").startswith(day)
        assert (read["jobType"], read["params"]) == (type_, args)
        return str(job_id)

    async def word(self, job_id: str) -> str | None:
        read = await ask(self._api, "GET", f"{JOBS}/{job_id}", headers={"X-Customer-Code": "default"})
        return None if read.status == 404 else str(read.body["status"])

    async def progress(self, job_id: str) -> Mapping[str, Any]:
        read = await self._read(job_id)
        return {
            "percent_completed": read["percentCompleted"],
            "created_at": read["createdAt"],
            "started_at": read["startedAt"],
            "terminated_at": read["completedAt"],
            "args": read["params"],
            "definition": read["jobDefinitionCode"],
        }

    async def output(self, job_id: str) -> str | None:
        read = await self._read(job_id)
        if read["status"] == "FAILED":
            assert read["result"] is None
            return None if read["error"]["code"] == "cancelled" else str(read["error"]["message"])
        result = read["result"]  # the types that the tests run write their JSON as orjson does
        return result if result is None or isinstance(result, str) else orjson.dumps(result).decode()

    async def cancel(self, job_id: str) -> None:
        assert (await ask(self._api, "POST", f"/api/jobs/{job_id}/cancel")).status in (200, 202)

    async def rerun(self, job_id: str) -> None:
        assert (await ask(self._api, "POST", f"/api/jobs/{job_id}/rerun")).status == 200

    async def remove(self, job_id: str) -> None:
        assert (await ask(self._api, "DELETE", f"/api/jobs/{job_id}")).status == 204

    async def _read(self, job_id: str) -> Any:
        return await self._ask("GET", f"{JOBS}/{job_id}")

    async def _ask(self, method: str, path: str, **how: Any) -> Any:
        answer = await ask(self._api, method, path, headers={"X-Customer-Code": "default"}, **how)
        assert answer.status == 200, answer
        return answer.body
