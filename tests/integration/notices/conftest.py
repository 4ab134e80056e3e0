"""A whole system in one process: the API on a real port, a worker beside it, real servers below."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

import odd_jobs
from configured import ADMIN_KEY, BRISK, settings_on
from receivers import MailReceiver, WebhookReceiver, mail_receiver, webhook_receiver
from running import running_worker
from service.app import create_app
from service.jobs.jobtype import JobTypes
from service.settings import Settings


@pytest.fixture
async def hooks() -> AsyncIterator[WebhookReceiver]:
    """A receiver of webhooks, which workers may call."""
    async with webhook_receiver() as receiver:
        yield receiver


@pytest.fixture
async def mails() -> AsyncIterator[MailReceiver]:
    """A mail server."""
    async with mail_receiver() as receiver:
        yield receiver


@pytest.fixture
def settings(
    database_url: str, redis_url: str, tmp_path: Path, hooks: WebhookReceiver, mails: MailReceiver
) -> Settings:
    """A lease, sweeps and pauses short enough to be watched; both receivers can be reached."""
    return settings_on(
        database_url,
        redis_url,
        tmp_path,
        BRISK
        | {
            "LAVORI_NOTICE_RETRY_SECONDS": "0.1",
            "LAVORI_OUTBOUND_ALLOW": f"127.0.0.1:{hooks.port}",
            "LAVORI_PUBLIC_URL": "https://lavori.example.org",
            "SMTP_URL": f"smtp://127.0.0.1:{mails.port}",
            "MAIL_FROM": "Lavori <lavori@example.org>",
        },
    )


@pytest.fixture
def job_types() -> JobTypes:
    """The types of this folder's tests."""
    return JobTypes([odd_jobs.echo, odd_jobs.steps, odd_jobs.stubborn, odd_jobs.flaky, odd_jobs.large])


@pytest.fixture
async def api(settings: Settings, job_types: JobTypes) -> AsyncIterator[ClientSession]:
    """A client of a running API, with the admin's key."""
    async with TestServer(create_app(settings, job_types)) as server:
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        async with ClientSession(server.make_url("/"), headers=headers) as session:
            yield session


@pytest.fixture
async def worker(settings: Settings, job_types: JobTypes) -> AsyncIterator[asyncio.Event]:
    """A worker that runs beside the test; the event stops it."""
    async with running_worker(settings, job_types) as stop:
        yield stop


@pytest.fixture
async def submit(api: ClientSession) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Create a job and answer it."""

    async def call(type_: str = "echo", **body: Any) -> dict[str, Any]:
        async with api.post("/api/jobs", json={"type": type_, **body}) as response:
            made: dict[str, Any] = await response.json()
            assert response.status == 201, made
            return made

    return call
