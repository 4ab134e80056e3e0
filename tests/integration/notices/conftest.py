"""A whole system in one process: the API on a real port, a worker beside it, real servers below."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import odd_jobs
from configured import BRISK, settings_on
from receivers import MailReceiver, WebhookReceiver, mail_receiver, webhook_receiver
from service.jobs.jobtype import JobTypes
from service.settings import Settings
from whole_system import api, submit, worker  # noqa: F401 - fixtures


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
