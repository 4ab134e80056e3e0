"""A customer of Conscia: the tenant `default`, a web service that it calls, and a mail server."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

import odd_jobs
from asking import Answer, ask
from receivers import MailReceiver, mail_receiver
from service.jobs.jobtype import JobTypes, load_job_types
from service.settings import Settings

PREFIX = "/vue/_api/v1"
CODE = {"X-Customer-Code": "default"}


@dataclass(slots=True)
class WebService:
    """Answers `/posts` with JSON, `/text` with a text, anything else with 404; and keeps what it was asked."""

    port: int = 0
    calls: list[tuple[str, str, bytes]] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def handle(self, request: web.Request) -> web.Response:
        self.calls.append((request.method, request.path_qs, await request.read()))
        if request.path == "/posts":
            return web.json_response([{"id": 1, "title": "first"}])
        if request.path == "/text":
            return web.Response(text="no JSON, but a text")
        return web.Response(status=404, text="nothing here of that name")


@pytest.fixture
async def service() -> AsyncIterator[WebService]:
    """A web service that workers may call."""
    made = WebService()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    async with TestServer(app) as server:
        assert server.port is not None
        made.port = server.port
        yield made


@pytest.fixture
async def mails() -> AsyncIterator[MailReceiver]:
    """A mail server."""
    async with mail_receiver() as receiver:
        yield receiver


@pytest.fixture
def settings(settings: Settings, service: WebService, mails: MailReceiver) -> Settings:
    """Settings under which both can be reached."""
    return replace(
        settings,
        outbound_allow=frozenset({("127.0.0.1", service.port)}),
        smtp_url=f"smtp://127.0.0.1:{mails.port}",
        mail_from="Lavori <lavori@example.org>",
        notice_retry_seconds=0.1,
    )


@pytest.fixture
def job_types() -> JobTypes:
    """The types that ship, and one that publishes files."""
    return JobTypes([*load_job_types().values(), odd_jobs.large])


@dataclass(frozen=True, slots=True)
class Customer:
    """A client of Conscia that asks as somebody."""

    api: ClientSession
    headers: dict[str, str]

    async def ask(self, method: str, path: str, **how: Any) -> Answer:
        """Ask for a path below the prefix."""
        return await ask(self.api, method, f"{PREFIX}{path}", headers={**CODE, **self.headers}, **how)

    async def define(self, code: str = "web-test", type_: str = "echo", **more: Any) -> Answer:
        """Make a definition."""
        whole = {"jobDefinitionCode": code, "jobType": type_, **more}
        return await self.ask("POST", "/job-definitions", json={"jobDefinition": whole})

    async def run(self, path: str, **params: Any) -> str:
        """Run a type or definition; the job's id."""
        made = await self.ask("POST", f"{path}/_execute", json={"params": params})
        assert made.status == 200, made
        assert made.body.keys() == {"jobId"}
        return str(made.body["jobId"])

    async def job(self, job_id: str) -> dict[str, Any]:
        """The job as Conscia shows it."""
        read = await self.ask("GET", f"/jobs/{job_id}")
        assert read.status == 200, read
        return dict(read.body)


@pytest.fixture
def customer(api: ClientSession) -> Customer:
    """The tenant's admin."""
    return Customer(api, {})
