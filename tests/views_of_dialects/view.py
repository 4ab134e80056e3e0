"""What a client of a dialect can do: what the conformance test drives them by."""

from collections.abc import Mapping
from typing import Any, Protocol

from aiohttp import ClientSession

from running import job
from service.jobs.states import Status


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


async def same(view: View, api: ClientSession, job_id: str, status: str) -> dict[str, Any]:
    """The native job, which stands where it should, and which the dialect shows in its own words."""
    native = await job(api, job_id)
    assert native["status"] == status
    assert await view.word(job_id) == view.words[Status(status)]
    assert await view.output(job_id) == native["output"]
    progress = await view.progress(job_id)
    assert progress == {name: native[name] for name in progress}
    return native
