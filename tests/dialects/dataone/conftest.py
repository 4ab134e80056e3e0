"""What the tests of Data One share."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession

from asking import PROBLEM, Answer, ask

JOBS = "/ghibli-rest/v2/job-manager/jobs"


async def post(api: ClientSession, **how: Any) -> Answer:
    """Submit; a 409 is no problem here, but a job."""
    async with api.post(JOBS, **how) as response:
        raw = await response.read()
        answer = Answer(response.status, response.headers, orjson.loads(raw), raw.decode())
        assert response.status in (201, 409) or response.content_type == PROBLEM, answer
        return answer


class Client:
    """A client of the job manager; `headers` say who."""

    def __init__(self, api: ClientSession, headers: dict[str, str] | None = None) -> None:
        self._api, self._headers = api, headers or {}

    async def post(self, body: Any = None, /, **named: Any) -> Answer:
        """Submit; the body, or its members."""
        asked = named if body is None else body
        return await post(self._api, json=asked, headers=self._headers)

    async def submit(self, contract: str = "echo", **named: Any) -> dict[str, Any]:
        """Submit, and have it."""
        made = await self.post(contractName=contract, **named)
        assert made.status == 201, made
        return dict(made.body)

    async def get(self, **query: Any) -> Answer:
        """Ask for a page."""
        return await ask(self._api, "GET", JOBS, params=query, headers=self._headers)

    async def jobs(self, **query: Any) -> list[dict[str, Any]]:
        """All jobs of a list, page by page."""
        page = await self.get(**query)
        assert page.status == 200, page
        found = list(page.body["jobs"])
        while "next" in page.body:
            assert page.body["next"].startswith("/ghibli-rest/v2/job-manager/jobs?")
            assert page.body["jobs"]
            page = await ask(self._api, "GET", page.body["next"], headers=self._headers)
            assert page.status == 200, page
            found += page.body["jobs"]
        return found


@pytest.fixture
def client(api: ClientSession) -> Client:
    """The tenant's admin."""
    return Client(api)


@pytest.fixture
def client_of(api: ClientSession) -> Callable[[dict[str, str]], Client]:
    """A client with these headers."""
    return lambda headers: Client(api, headers)
