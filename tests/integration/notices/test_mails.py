"""Mails from the end of a job to a mail server that takes them, or does not."""

import asyncio
from dataclasses import replace
from email.message import EmailMessage
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession

from asking import ask, key_for, other_tenant
from receivers import MailReceiver
from running import Submit, running_worker, until
from service.jobs.jobtype import JobTypes
from service.settings import Settings


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found is not None
    return str(found.get_content())


async def mailed(api: ClientSession, submit: Submit, type_: str = "echo", **body: Any) -> dict[str, Any]:
    notify = {"emails": ["anna@example.org"], **body.pop("notify", {})}
    made = await submit(type_, notify=notify, **body)
    return await until(api, made["id"], "finished", "failed")


async def until_state(api: ClientSession, job: dict[str, Any], state: str) -> dict[str, Any]:
    notice: dict[str, Any] = {}
    try:
        async with asyncio.timeout(20):
            while not notice or notice["state"] != state:
                (notice,) = (await ask(api, "GET", f"/api/jobs/{job['id']}/notices")).body["notices"]
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(notice) from None
    return dict((await ask(api, "GET", f"/api/notices/{notice['id']}")).body)


async def test_a_mail_tells_of_the_end_as_text_and_as_html(
    api: ClientSession, submit: Submit, mails: MailReceiver, worker: asyncio.Event
) -> None:
    job = await mailed(api, submit, description="Dues <b>&</b> more")
    (mail,) = await mails.until(1)
    assert mails.recipients == ["anna@example.org"]
    assert mail["Subject"] == f"Job {job['number']} has finished: Dues <b>&</b> more"
    assert (mail["From"], mail["To"]) == ("Lavori <lavori@example.org>", "anna@example.org")
    notice = await until_state(api, job, "delivered")
    assert mail["Message-ID"] == f"<{notice['id']}@example.org>"
    text, html = part(mail, "plain"), part(mail, "html")
    assert "Description: Dues <b>&</b> more" in text
    assert "Dues &lt;b&gt;&amp;&lt;/b&gt; more" in html


async def test_a_failure_in_italian_has_its_error(
    api: ClientSession, submit: Submit, mails: MailReceiver, worker: asyncio.Event
) -> None:
    job = await mailed(api, submit, "flaky", args={"failures": 9}, max_attempts=1, notify={"language": "it"})
    (mail,) = await mails.until(1)
    assert mail["Subject"].startswith(f"Il lavoro {job['number']} è fallito: ")
    assert f"Errore: {job['error']['message']}" in part(mail, "plain")


async def test_a_mail_leads_to_the_output(
    api: ClientSession, submit: Submit, mails: MailReceiver, worker: asyncio.Event
) -> None:
    await mailed(api, submit, "large")
    (mail,) = await mails.until(1)
    assert "Download: https://lavori.example.org/d/" in part(mail, "plain")


HOSTILE = "x\r\nBcc: eve@example.org\r\n\r\n<script>alert(1)</script>\u202e\u2028Subject: y"


async def test_nothing_that_people_write_reaches_a_header_or_becomes_markup(
    api: ClientSession, submit: Submit, mails: MailReceiver, worker: asyncio.Event
) -> None:
    await mailed(api, submit, description=HOSTILE, labels={"a": HOSTILE})
    (mail,) = await mails.until(1)
    assert mails.recipients == ["anna@example.org"]
    assert mail["Bcc"] is None
    assert len(mail.get_all("Subject", [])) == 1
    assert "\n" not in mail["Subject"]
    assert "<script>" not in part(mail, "html")


async def test_a_server_that_is_busy_is_tried_again_with_the_same_id(
    api: ClientSession, submit: Submit, mails: MailReceiver, worker: asyncio.Event
) -> None:
    mails.rcpt_answers.append("450 come back later")
    mails.data_answers.append("451 not now")
    notice = await until_state(api, await mailed(api, submit), "delivered")
    assert [(one["outcome"], one["status"]) for one in notice["log"]] == [
        ("delivered", 250), ("failed", 451), ("failed", 450),
    ]  # fmt: skip
    assert len(mails.mails) == 1


async def test_a_mailbox_that_is_none_is_dead_at_once(
    api: ClientSession, submit: Submit, mails: MailReceiver, worker: asyncio.Event
) -> None:
    mails.rcpt_answers.append("550 no such user")
    notice = await until_state(api, await mailed(api, submit), "dead")
    assert [(one["outcome"], one["status"]) for one in notice["log"]] == [("refused", 550)]
    assert "no such user" in notice["last_error"]


async def test_a_slow_server_is_left(
    api: ClientSession, submit: Submit, mails: MailReceiver, worker: asyncio.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("service.notifications.mail.COMMAND_SECONDS", 0.5)
    mails.data_seconds = 2
    job = await mailed(api, submit)
    async with asyncio.timeout(20):
        while not (await ask(api, "GET", f"/api/jobs/{job['id']}/notices")).body["notices"][0]["tries"]:
            await asyncio.sleep(0.05)
    mails.data_seconds = 0
    notice = await until_state(api, job, "delivered")
    assert "too long" in notice["log"][-1]["error"]


async def test_another_tenant_sees_no_notice_and_no_endpoint(
    api: ClientSession, submit: Submit, mails: MailReceiver, worker: asyncio.Event, pool: asyncpg.Pool
) -> None:
    job = await mailed(api, submit)
    notice = await until_state(api, job, "delivered")
    made = await ask(api, "POST", "/api/webhook-endpoints", json={"url": "https://hooks.example.org/x"})
    other = await other_tenant(api)
    for method, path in (
        ("GET", f"/api/notices/{notice['id']}"),
        ("POST", f"/api/notices/{notice['id']}/redeliver"),
        ("GET", f"/api/jobs/{job['id']}/notices"),
        ("GET", f"/api/webhook-endpoints/{made.body['id']}"),
        ("PATCH", f"/api/webhook-endpoints/{made.body['id']}"),
        ("DELETE", f"/api/webhook-endpoints/{made.body['id']}"),
        ("POST", f"/api/webhook-endpoints/{made.body['id']}/rotate"),
    ):
        body: dict[str, Any] = {"json": {}} if method in ("PATCH", "POST") and "redeliver" not in path else {}
        assert (await ask(api, method, path, headers=other, **body)).status == 404, path
    assert (await ask(api, "GET", "/api/notices", headers=other)).body["notices"] == []
    assert (await ask(api, "GET", "/api/webhook-endpoints", headers=other)).body["webhook_endpoints"] == []
    user = await key_for(api, "bob", "user")
    for path in ("/api/notices", "/api/webhook-endpoints", "/api/webhook-secret"):
        assert (await ask(api, "GET", path, headers=user)).status == 403
    assert (await ask(api, "GET", f"/api/notices/{notice['id']}", headers=user)).status == 404


async def test_a_mail_without_a_server_waits_for_one(
    api: ClientSession, submit: Submit, settings: Settings, job_types: JobTypes, mails: MailReceiver
) -> None:
    async with running_worker(replace(settings, smtp_url=None), job_types):
        job = await submit(notify={"emails": ["anna@example.org"]})
        await until(api, job["id"], "finished")
        notice = await until_state(api, job, "undeliverable")
    assert "SMTP_URL" in notice["last_error"]
    assert (notice["tries"], mails.mails) == (0, [])
    async with running_worker(settings, job_types):
        await until_state(api, job, "delivered")
    assert len(mails.mails) == 1
