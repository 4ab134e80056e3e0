"""A client of AIMS360's jobs, which can be run again, but neither cancelled nor removed."""

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import ClientSession

from asking import ask
from odata_asking import ask_odata, listed, rerun_path, the_job
from service.dialects.aims360 import wire


class Aims360:
    """Jobs of any type are made natively: exportdata makes reports alone."""

    words = wire.WORDS

    def __init__(self, api: ClientSession) -> None:
        self._api = api

    async def submit(self, type_: str, args: dict[str, Any]) -> str:
        made = await ask(self._api, "POST", "/api/jobs", json={"type": type_, "args": args})
        assert made.status == 201, made
        read = await the_job(self._api, made.body["id"])
        assert read["jobID"].startswith(made.body["id"])
        request = await ask_odata(self._api, "GET", read["requestURL"])
        assert (request.body["type"], request.body["args"]) == (type_, args)
        return str(made.body["id"])

    async def word(self, job_id: str) -> str | None:
        page = await listed(self._api, f"jobId eq '{job_id}'")
        return next((str(one["jobStatus"]) for one in page["value"]), None)

    async def progress(self, job_id: str) -> Mapping[str, Any]:
        read = await the_job(self._api, job_id)
        return {
            "percent_completed": read["percentCompleted"],
            "created_at": read["createdDate"],
            "created_by": read["createdBy"],
            "started_at": read["startDate"],
            "terminated_at": read["completedDate"],
            "updated_at": read["modifiedDate"],
            "modified_by": read["modifiedBy"],
            "category": read["categoryName"],
            "can_rerun": read["canReRun"] == "Yes",
        }

    async def output(self, job_id: str) -> str | None:
        read = await the_job(self._api, job_id)
        if read["response"] is None or read["jobStatus"] != "Failed":
            return None if read["response"] is None else str(read["response"])
        assert orjson.loads(read["response"])["message"] == read["jobStatusText"]
        return str(read["jobStatusText"])

    async def cancel(self, job_id: str) -> None:
        assert (await ask(self._api, "POST", f"/api/jobs/{job_id}/cancel")).status in (200, 202)

    async def rerun(self, job_id: str) -> None:
        answer = await ask_odata(self._api, "POST", rerun_path((await the_job(self._api, job_id))["jobID"]))
        assert answer.status == 200, answer

    async def remove(self, job_id: str) -> None:
        assert (await ask(self._api, "DELETE", f"/api/jobs/{job_id}")).status == 204
