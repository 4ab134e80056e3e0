"""A tenant's webhook endpoints, definitions that name who is told, mail servers with a login, and secrets."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession, web
from standardwebhooks import Webhook

import odd_jobs
import secret_jobs
from asking import ask, key_for, other_tenant
from receivers import MailReceiver, WebhookReceiver, mail_receiver
from running import Submit, running_worker, until
from service.jobs.jobtype import JobTypes
from service.settings import Settings

PATH = "/api/webhook-endpoints"


@pytest.fixture
def job_types() -> JobTypes:
    return JobTypes([odd_jobs.echo, odd_jobs.flaky, secret_jobs.careless])


async def make(api: ClientSession, hooks: WebhookReceiver, path: str = "/all", **body: Any) -> dict[str, Any]:
    made = await ask(api, "POST", PATH, json={"url": hooks.url(path), **body})
    assert made.status == 201, made
    return dict(made.body)


async def tenant_tag(api: ClientSession) -> str:
    return (await ask(api, "GET", "/api/tenant")).headers["ETag"]


async def test_an_endpoint_is_told_of_every_end_signed_with_its_own_secret(
    api: ClientSession, hooks: WebhookReceiver, submit: Submit, worker: asyncio.Event
) -> None:
    made = await make(api, hooks, on=["finished"])
    only_failures = await make(api, hooks, "/failures", on=["failed"])
    assert made["secret"] != only_failures["secret"]
    job = await submit(args={"a": 1})
    await until(api, job["id"], "finished")
    (call,) = await hooks.until(1, "/all")
    assert Webhook(made["secret"]).verify(call.body, call.headers)["data"]["id"] == job["id"]
    assert hooks.ids("/failures") == []
    read = await ask(api, "GET", f"{PATH}/{made['id']}")
    assert "secret" not in read.body


async def test_an_endpoint_that_answers_that_it_is_gone_is_switched_off_until_somebody_switches_it_on(
    api: ClientSession, hooks: WebhookReceiver, submit: Submit, worker: asyncio.Event
) -> None:
    made = await make(api, hooks, "/410")
    tag = await tenant_tag(api)
    await until(api, (await submit())["id"], "finished")
    async with asyncio.timeout(20):
        while (read := (await ask(api, "GET", f"{PATH}/{made['id']}")).body)["enabled"]:
            await asyncio.sleep(0.02)
    assert "410" in read["disabled_reason"]
    assert await tenant_tag(api) != tag
    await until(api, (await submit())["id"], "finished")

    async def better(_: web.Request) -> web.Response:
        return web.Response()

    hooks.answering["/410"] = better
    on = await ask(api, "PATCH", f"{PATH}/{made['id']}", json={"enabled": True})
    assert (on.body["enabled"], on.body["disabled_reason"]) == (True, None)
    last = await submit()
    await until(api, last["id"], "finished")
    await hooks.until(2, "/410")
    assert len(hooks.ids("/410")) == 2, "the job that ended while it was off was told too"


async def test_the_tenant_shows_its_endpoints_and_its_etag_covers_them(
    api: ClientSession, hooks: WebhookReceiver
) -> None:
    tags = [await tenant_tag(api)]
    made = await make(api, hooks)
    tags.append(await tenant_tag(api))
    shown = (await ask(api, "GET", "/api/tenant")).body["webhook_endpoints"]
    assert shown == [{"id": made["id"], "url": hooks.url("/all"), "on": made["on"], "enabled": True}]
    await ask(api, "PATCH", f"{PATH}/{made['id']}", json={"enabled": False})
    tags.append(await tenant_tag(api))
    changed = await ask(
        api, "PATCH", "/api/tenant", json={"account_code": "A1"}, headers={"If-Match": tags[-1]}
    )
    assert changed.body["webhook_endpoints"][0]["enabled"] is False
    tags.append(changed.headers["ETag"])
    assert (await ask(api, "DELETE", f"{PATH}/{made['id']}")).status == 204
    tags.append(await tenant_tag(api))
    assert len(set(tags)) == len(tags)
    assert (await ask(api, "PATCH", "/api/tenant", json={"webhook_endpoints": []})).status == 422


async def test_a_tenant_has_at_most_twenty(api: ClientSession, hooks: WebhookReceiver) -> None:
    made = await asyncio.gather(
        *(ask(api, "POST", PATH, json={"url": hooks.url(f"/{n}")}) for n in range(25))
    )
    assert sorted(answer.status for answer in made) == [201] * 20 + [409] * 5
    first = await ask(api, "GET", f"{PATH}?limit=15")
    assert len(first.body["webhook_endpoints"]) == 15
    assert len((await ask(api, "GET", first.body["next"])).body["webhook_endpoints"]) == 5


async def test_only_who_manages_the_tenant_may_see_or_change_them(
    api: ClientSession, hooks: WebhookReceiver
) -> None:
    made = await make(api, hooks)
    for role, status in (("viewer", 403), ("user", 403), ("curator", 403)):
        headers = await key_for(api, role, role)
        for method, path in (("GET", PATH), ("POST", PATH), ("DELETE", f"{PATH}/{made['id']}")):
            answer = await ask(api, method, path, headers=headers, json={"url": hooks.url()})
            assert answer.status == status, (role, method)
    other = await other_tenant(api)
    for method in ("GET", "PATCH", "DELETE"):
        answer = await ask(api, method, f"{PATH}/{made['id']}", headers=other, json={"enabled": False})
        assert answer.status == 404, method
    assert (await ask(api, "GET", PATH, headers=other)).body == {"webhook_endpoints": []}


async def test_a_definitions_options_say_who_gets_mail_of_its_jobs(
    api: ClientSession, mails: MailReceiver, worker: asyncio.Event
) -> None:
    options = {
        "send_completion_email": True,
        "send_failure_email": True,
        "email_list": ["office@example.org"],
    }
    for code, said in (("told", options), ("silent", {"email_list": ["office@example.org"]})):
        body = {"code": code, "type": "echo", "options": said}
        assert (await ask(api, "POST", "/api/job-definitions", json=body)).status == 201
        ran = await ask(api, "POST", f"/api/job-definitions/{code}/execute")
        done = await until(api, ran.body["id"], "finished")
        owed = await ask(api, "GET", f"/api/jobs/{done['id']}/notices")
        assert len(owed.body["notices"]) == (1 if code == "told" else 0)
    (mail,) = await mails.until(1)
    assert mail["To"] == "office@example.org"


async def test_secrets_are_stars_in_what_is_told(
    api: ClientSession, hooks: WebhookReceiver, submit: Submit, worker: asyncio.Event
) -> None:
    args = {"password": "hunter22 is secret"}
    await submit("careless", args=args, notify={"webhook_url": hooks.url()})
    (call,) = await hooks.until(1)
    assert b'"password":"***"' in call.body
    assert b"hunter22" not in call.body


async def test_a_password_goes_over_an_open_line_only_if_that_is_wanted(
    settings: Settings, job_types: JobTypes, api: ClientSession, submit: Submit
) -> None:
    async with mail_receiver(auth_require_tls=False) as receiver:
        url = f"smtp://post%40example.org:right%20p%40ss@127.0.0.1:{receiver.port}"
        async with running_worker(replace(settings, smtp_url=url), job_types), asyncio.timeout(20):
            job = await submit(notify={"emails": ["anna@example.org"]})
            path = f"/api/jobs/{job['id']}/notices"
            while not (told := (await ask(api, "GET", path)).body["notices"]) or not told[0]["tries"]:
                await asyncio.sleep(0.05)
        assert (receiver.logins, receiver.mails) == ([], [])
        async with running_worker(replace(settings, smtp_url=f"{url}?starttls=never"), job_types):
            await receiver.until(1)
    assert receiver.logins == [("post@example.org", "right p@ss")]


async def test_notices_come_in_pages_and_by_state(
    api: ClientSession, hooks: WebhookReceiver, submit: Submit, worker: asyncio.Event
) -> None:
    for path in ("/hook", "/hook", "/410"):
        await submit(notify={"webhook_url": hooks.url(path)})
    async with asyncio.timeout(20):
        while len((await ask(api, "GET", "/api/notices?state=delivered,dead")).body["notices"]) < 3:
            await asyncio.sleep(0.05)
    first = await ask(api, "GET", "/api/notices?limit=2")
    rest = await ask(api, "GET", first.body["next"])
    assert (len(first.body["notices"]), len(rest.body["notices"]), "next" in rest.body) == (2, 1, False)
    (dead,) = (await ask(api, "GET", "/api/notices?state=dead&kind=webhook")).body["notices"]
    assert dead["target"] == hooks.url("/410")
    user = await key_for(api, "ugo", "user")
    assert (await ask(api, "GET", "/api/notices", headers=user)).status == 403
