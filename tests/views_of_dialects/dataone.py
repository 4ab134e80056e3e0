"""A client of Data One's jobs, which can be neither cancelled, nor run again, nor removed, and show no output."""

from collections.abc import Mapping
from typing import Any

from aiohttp import ClientSession

from asking import ask
from service.dialects.dataone import wire

JOBS = "/ghibli-rest/v2/job-manager/jobs"


class DataOne:
    """A client of the job manager, who may submit."""

    words = wire.WORDS

    def __init__(self, api: ClientSession) -> None:
        self._api = api

    async def submit(self, type_: str, args: dict[str, Any]) -> str:
        made = await ask(self._api, "POST", JOBS, json={"contractName": type_, "actionVariables": args})
        assert made.status == 201, made
        assert (made.body["contract"], made.body["contractType"]) == (type_, "type")
        job_id = str(made.body["contractActionWorkflowInstance"]["id"])
        assert (await self._read(job_id))["id"] == made.body["id"]
        return job_id

    async def word(self, job_id: str) -> str | None:
        found = await self._found(job_id)
        return str(found[0]["status"]) if found else None

    async def progress(self, job_id: str) -> Mapping[str, Any]:
        read = await self._read(job_id)
        return {
            "number": int(read["id"]),
            "created_at": read["createdAt"],
            "updated_at": read["updatedAt"],
            "created_by": read["submittedBy"],
            "queue": read["queue"],
            "labels": read["dfic"]["userAttrs"],
        }

    async def output(self, job_id: str) -> str | None:
        read, native = await self._read(job_id), await ask(self._api, "GET", f"/api/jobs/{job_id}")
        if read["status"] == "ERROR":
            return str(read["statusMessage"])
        assert read["statusMessage"] == native.body["status_text"]
        output: str | None = native.body["output"]
        return output

    async def cancel(self, job_id: str) -> None:
        assert (await ask(self._api, "POST", f"/api/jobs/{job_id}/cancel")).status in (200, 202)

    async def rerun(self, job_id: str) -> None:
        assert (await ask(self._api, "POST", f"/api/jobs/{job_id}/rerun")).status == 200

    async def remove(self, job_id: str) -> None:
        assert (await ask(self._api, "DELETE", f"/api/jobs/{job_id}")).status == 204

    async def _read(self, job_id: str) -> Any:
        (read,) = await self._found(job_id)
        return read

    async def _found(self, job_id: str) -> Any:
        answer = await ask(self._api, "GET", JOBS, params={"dfiid": job_id})
        assert answer.status == 200, answer
        assert "next" not in answer.body
        return answer.body["jobs"]
