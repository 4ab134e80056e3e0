"""The load generator: clients that retry with their keys, and write down each request and its answer."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from fault_lab.seen import Answered, History
from fault_lab.system import System

AGAIN_SECONDS = 0.1
CREATED, REPLAYED = 201, 200


@dataclass(frozen=True, slots=True)
class Tenant:
    """Who asks: the tenant's number in the database, and its token."""

    number: int
    token: str


@dataclass(slots=True)
class Clients:
    """Clients of one or several APIs; each request goes to any of them. A context manager."""

    urls: Sequence[str]
    history: History
    tenant: Tenant
    patience: float = 12.0  # seconds for one request
    dice: random.Random = field(default_factory=lambda: random.Random(7))
    session: ClientSession = field(init=False)

    async def __aenter__(self) -> Self:
        self.session = ClientSession(
            headers={"Authorization": f"Bearer {self.tenant.token}"},
            connector=TCPConnector(limit=0),
            timeout=ClientTimeout(total=self.patience),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def ask(
        self, what: str, method: str, path: str, *, key: str | None = None, json: Any = None
    ) -> Answered:
        """One request, written down with whatever came of it."""
        began = time.monotonic()
        headers = {"Idempotency-Key": key} if key else {}
        url = self.dice.choice(self.urls) + path
        try:
            async with self.session.request(method, url, headers=headers, json=json) as response:
                raw = await response.read()
                answer = Answered(
                    self.tenant.number,
                    what,
                    response.status,
                    time.monotonic() - began,
                    key,
                    ids_in(raw) if response.status < 400 else (),
                    "Retry-After" in response.headers,
                )
        except (ClientError, OSError, TimeoutError):
            answer = Answered(self.tenant.number, what, None, time.monotonic() - began, key)
        self.history.answers.append(answer)
        return answer

    async def submit(self, key: str, body: dict[str, Any], seconds: float = 60) -> UUID:
        """Submit until it is accepted, with one key."""
        async with asyncio.timeout(seconds):
            while True:
                answer = await self.ask("submit", "POST", "/api/jobs", key=key, json=body)
                if answer.status in (CREATED, REPLAYED):
                    return answer.job_ids[0]
                assert answer.status in (None, 429, 503), answer
                await asyncio.sleep(AGAIN_SECONDS)

    async def submit_many(
        self, count: int, body: dict[str, Any], *, name: str = "k", at_once: int = 20, seconds: float = 120
    ) -> list[UUID]:
        """Submit so many jobs, so many at once, each with its own key."""
        numbers = iter(range(count))

        async def client() -> list[UUID]:
            return [await self.submit(f"{name}{number}", body, seconds) for number in numbers]

        return [
            job_id for made in await asyncio.gather(*(client() for _ in range(at_once))) for job_id in made
        ]


def ids_in(raw: bytes) -> tuple[UUID, ...]:
    """The ids of the jobs in an answer: one job, or a list of them."""
    body = orjson.loads(raw) if raw else {}
    jobs = body.get("jobs", [body]) if isinstance(body, dict) else []
    return tuple(UUID(job["id"]) for job in jobs if "id" in job)


def clients_of(system: System) -> Clients:
    """Clients of all APIs of a system, with the admin's key."""
    assert system.settings.admin_key is not None
    urls = [api.url for api in system.apis]
    return Clients(urls, system.history, Tenant(1, system.settings.admin_key))


async def clients_of_another_tenant(system: System) -> Clients:
    """Clients of the same APIs with the key of a tenant that is made for them."""
    async with clients_of(system) as admins:
        url = f"{admins.urls[0]}/api/tenants"
        async with admins.session.post(url, json={"code": "another", "name": "Another"}) as response:
            assert response.status == 201, await response.text()
            secret = (await response.json())["admin_key"]["secret"]
    number = await system.pool.fetchval("SELECT id FROM tenants WHERE code = 'another'")
    return Clients(admins.urls, system.history, Tenant(number, secret))
