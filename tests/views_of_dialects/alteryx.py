"""A client of Alteryx, which runs workflows, and cannot run a job again."""

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import ClientSession

from asking import ask
from service.dialects.alteryx import wire

JOBS = "/webapi/v3/jobs"


class Alteryx:
    """A client with a curator's rights."""

    words = wire.WORDS

    def __init__(self, api: ClientSession) -> None:
        self._api = api

    async def submit(self, type_: str, args: dict[str, Any]) -> str:
        await ask(self._api, "POST", "/api/job-definitions", json={"code": f"a-{type_}", "type": type_})
        asked = [
            {"name": name, "value": value if isinstance(value, str) else orjson.dumps(value).decode()}
            for name, value in args.items()
        ]
        body = {"workerTag": "", "questions": asked if type_ != "echo" else _as_is(args)}
        made = await ask(self._api, "POST", f"/webapi/v3/workflows/a-{type_}/jobs", json=body)
        assert made.status == 200, made
        assert (made.body["appId"], made.body["status"]) == (f"a-{type_}", "Queued")
        return str(made.body["id"])

    async def word(self, job_id: str) -> str | None:
        read = await self._read(job_id)
        return None if read is None else str(read["status"])

    async def progress(self, job_id: str) -> Mapping[str, Any]:
        read = await self._read(job_id)
        return {"created_at": read["createDateTime"]}

    async def output(self, job_id: str) -> str | None:
        read = await self._read(
            job_id
        )  # Alteryx shows files only; the outcome must be the one of the native job
        native = (await ask(self._api, "GET", f"/api/jobs/{job_id}")).body
        outcomes = {"finished": "Success", "failed": "Error"}
        assert read["disposition"] == outcomes.get(native["status"], "None")
        assert read["appId"] == (native["definition"] or native["type"])
        assert [one["id"] for one in read["outputs"]] == [one["id"] for one in native["outputs"]]
        output: str | None = native["output"]
        return output

    async def cancel(self, job_id: str) -> None:
        read = await self._read(job_id)
        if read["status"] == "Queued":  # would be deleted
            assert (await ask(self._api, "POST", f"/api/jobs/{job_id}/cancel")).status == 200
            return
        answer = await ask(self._api, "DELETE", f"{JOBS}/{job_id}")
        assert (answer.status, answer.body) == (200, {"message": "Cancelled Successfully."})

    async def rerun(self, job_id: str) -> None:
        assert (await ask(self._api, "POST", f"/api/jobs/{job_id}/rerun")).status == 200

    async def remove(self, job_id: str) -> None:
        assert (await ask(self._api, "DELETE", f"/api/jobs/{job_id}")).status == 204

    async def _read(self, job_id: str) -> Any:
        async with self._api.get(f"{JOBS}/{job_id}") as response:
            return None if response.status == 404 else await response.json()


def _as_is(args: dict[str, Any]) -> list[dict[str, Any]]:
    """Args of a type that takes any: there is nothing to turn a text into."""
    return [{"name": name, "value": value} for name, value in args.items()]
