"""One job through the eyes of a client of each dialect: what the conformance test drives them by."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from aiohttp import ClientSession

from asking import ask
from service.dialects.opencity import wire as opencity


class View(Protocol):
    """What a client of a dialect can do; where the vendor has no call of its own, the native one."""

    words: Mapping[Any, str]
    """The dialect's word for each status."""

    async def submit(self, type_: str, args: dict[str, Any]) -> str:
        """Create a job; its native id."""

    async def word(self, job_id: str) -> str | None:
        """The dialect's word for where the job stands; None when it is gone."""

    async def progress(self, job_id: str) -> Mapping[str, Any]:
        """How far it is, by the names of the native fields that the dialect shows."""

    async def output(self, job_id: str) -> str | None:
        """The inline result, or a failed job's error text."""

    async def cancel(self, job_id: str) -> None:
        """Stop it."""

    async def rerun(self, job_id: str) -> None:
        """Run it again."""

    async def remove(self, job_id: str) -> None:
        """Delete it."""


class OpenCity:
    """Version 1. It has neither cancel nor rerun."""

    words = opencity.WORDS

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


VIEWS: Mapping[str, Callable[[ClientSession], View]] = {"opencity": OpenCity}
"""By the name of the dialect."""
