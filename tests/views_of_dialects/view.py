"""What a client of a dialect can do: what the conformance test drives them by."""

from collections.abc import Mapping
from typing import Any, Protocol


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
