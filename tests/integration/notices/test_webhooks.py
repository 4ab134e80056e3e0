"""Webhooks to a receiver that takes them, or does not: what arrives, how often, under which id."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession, web
from standardwebhooks import Webhook, WebhookVerificationError

from asking import ask
from receivers import WebhookReceiver, webhook_receiver
from running import Submit, until
from service.notifications import courier
from service.web.outbound import Patience

Ended = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Receivers that hang are left after a second."""
    monkeypatch.setattr(courier, "PATIENCE", Patience(connect=1, answer=1, total=2))


@pytest.fixture
async def ended(api: ClientSession, submit: Submit, hooks: WebhookReceiver, worker: asyncio.Event) -> Ended:
    """Create a job whose webhook goes to a path of the receiver, and wait for its end."""

    async def call(path: str = "/hook", **body: Any) -> dict[str, Any]:
        made = await submit(**{"notify": {"webhook_url": hooks.url(path)}, **body})
        return await until(api, made["id"], "finished", "failed", "cancelled")

    return call


async def notice_of(api: ClientSession, job: dict[str, Any]) -> dict[str, Any]:
    listed = await ask(api, "GET", f"/api/jobs/{job['id']}/notices")
    (notice,) = listed.body["notices"]
    return dict((await ask(api, "GET", f"/api/notices/{notice['id']}")).body)


async def until_state(api: ClientSession, job: dict[str, Any], state: str, tries: int = 0) -> dict[str, Any]:
    notice: dict[str, Any] = {}
    try:
        async with asyncio.timeout(20):
            while (notice := await notice_of(api, job))["state"] != state or notice["tries"] < tries:
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(notice) from None
    return notice


async def secret_of(api: ClientSession) -> str:
    return str((await ask(api, "GET", "/api/webhook-secret")).body["secret"])


async def test_the_end_of_a_job_is_told_once_and_signed(
    api: ClientSession, hooks: WebhookReceiver, ended: Ended
) -> None:
    job = await ended(args={"a": 1}, description="Dues of November")
    (call,) = await hooks.until(1)
    told = Webhook(await secret_of(api)).verify(call.body, call.headers)
    assert told["type"] == "job.finished"
    assert told["timestamp"] == job["terminated_at"]
    assert told["data"] == {**job, "publish_link": told["data"]["publish_link"]}
    notice = await until_state(api, job, "delivered")
    assert (notice["id"], notice["tries"], notice["next_at"]) == (call.id, 1, None)
    assert [(one["number"], one["outcome"], one["status"]) for one in notice["log"]] == [
        (1, "delivered", 200)
    ]
    assert hooks.ids() == [call.id]
    assert call.headers["content-type"] == "application/json"


async def test_a_changed_body_or_another_secret_does_not_verify(
    api: ClientSession, hooks: WebhookReceiver, ended: Ended
) -> None:
    await ended()
    (call,) = await hooks.until(1)
    with pytest.raises(WebhookVerificationError):
        Webhook(await secret_of(api)).verify(call.body.replace(b"finished", b"failed"), call.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").verify(call.body, call.headers)


async def test_a_rotated_secret_signs_beside_the_former_one_for_its_grace(
    api: ClientSession, hooks: WebhookReceiver, ended: Ended
) -> None:
    old = await secret_of(api)
    new = (await ask(api, "POST", "/api/webhook-secret/rotate", json={"grace_seconds": 60})).body["secret"]
    await ended()
    (call,) = await hooks.until(1)
    for secret in (old, new):
        assert Webhook(secret).verify(call.body, call.headers)["type"] == "job.finished"
    newest = (await ask(api, "POST", "/api/webhook-secret/rotate")).body["secret"]
    assert await secret_of(api) == newest
    await ended("/other")
    (call,) = await hooks.until(1, "/other")
    assert Webhook(newest).verify(call.body, call.headers)
    for secret in (old, new):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(call.body, call.headers)


async def test_a_failed_job_is_told_with_its_error(hooks: WebhookReceiver, ended: Ended) -> None:
    await ended(type_="flaky", args={"failures": 9}, max_attempts=1)
    (call,) = await hooks.until(1)
    told = json.loads(call.body)
    assert told["type"] == "job.failed"
    assert told["data"]["error"]["code"]


@pytest.mark.usefixtures("invariants")
@pytest.mark.fault("F35", "a webhook receiver that answers 500")
async def test_a_receiver_that_works_the_third_time_gets_one_id_three_times(
    api: ClientSession, hooks: WebhookReceiver, ended: Ended
) -> None:
    answers = iter((500, 503, 204))

    async def moody(_: web.Request) -> web.Response:
        return web.Response(status=next(answers))

    hooks.answering["/moody"] = moody
    notice = await until_state(api, await ended("/moody"), "delivered")
    assert [one["status"] for one in notice["log"]] == [204, 503, 500]
    assert [one["outcome"] for one in notice["log"]] == ["delivered", "failed", "failed"]
    assert hooks.ids("/moody") == [notice["id"]] * 3
    assert notice["last_error"] is None


@pytest.mark.usefixtures("invariants")
@pytest.mark.fault("F35", "a webhook receiver that hangs")
async def test_a_receiver_that_hangs_is_left_and_tried_again(
    api: ClientSession, hooks: WebhookReceiver, ended: Ended
) -> None:
    turns = iter((60, 0))

    async def hang(_: web.Request) -> web.Response:
        await asyncio.sleep(next(turns))
        return web.Response()

    hooks.answering["/hang"] = hang
    notice = await until_state(api, await ended("/hang"), "delivered")
    assert [one["outcome"] for one in notice["log"]] == ["delivered", "failed"]
    assert "too long" in notice["log"][1]["error"]
    assert notice["log"][1]["milliseconds"] >= 900


@pytest.mark.usefixtures("invariants")
@pytest.mark.fault("F35", "a webhook receiver that answers 10 MB")
async def test_ten_megabytes_of_answer_are_not_read(
    api: ClientSession, hooks: WebhookReceiver, ended: Ended
) -> None:
    sent = 0

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        answer = web.StreamResponse()
        await answer.prepare(request)
        for _ in range(40):
            await answer.write(b"x" * 256 * 1024)
            sent += 256 * 1024
        return answer

    hooks.answering["/flood"] = flood
    notice = await until_state(api, await ended("/flood"), "delivered")
    assert notice["tries"] == 1
    assert hooks.ids("/flood") == [notice["id"]]
    assert sent < 10 * 1024 * 1024


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(
    api: ClientSession, hooks: WebhookReceiver, ended: Ended, status: int
) -> None:
    async def redirect(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": hooks.url("/elsewhere")})

    hooks.answering["/redirect"] = redirect
    notice = await until_state(api, await ended("/redirect"), "pending", tries=1)
    assert notice["log"][-1]["status"] == status
    assert "redirects" in notice["last_error"]
    assert hooks.ids("/elsewhere") == []


async def test_a_redirect_to_an_address_that_may_not_be_called_reaches_nobody(
    api: ClientSession, hooks: WebhookReceiver, ended: Ended
) -> None:
    async with webhook_receiver() as canary:

        async def redirect(_: web.Request) -> web.Response:
            return web.Response(status=307, headers={"Location": canary.url()})

        hooks.answering["/redirect"] = redirect
        await until_state(api, await ended("/redirect"), "pending", tries=2)
        assert canary.calls == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/x", "http://localhost:{port}/", "http://[::1]/", "http://10.0.0.1/",
                                 "http://user:word@example.org/", "http://169.254.169.254/latest"])  # fmt: skip
async def test_an_address_that_may_not_be_called_is_dead_at_once(
    api: ClientSession, submit: Submit, worker: asyncio.Event, url: str
) -> None:
    async with webhook_receiver() as canary:
        job = await submit(notify={"webhook_url": url.format(port=canary.port)})
        await until(api, job["id"], "finished")
        notice = await until_state(api, job, "dead")
        assert [one["outcome"] for one in notice["log"]] == ["refused"]
        assert canary.calls == []


@pytest.mark.usefixtures("invariants")
@pytest.mark.fault("F35", "a webhook receiver that answers 410")
async def test_a_receiver_that_is_gone_is_not_tried_again(
    api: ClientSession, hooks: WebhookReceiver, ended: Ended
) -> None:
    notice = await until_state(api, await ended("/410"), "dead")
    assert [(one["outcome"], one["status"]) for one in notice["log"]] == [("gone", 410)]
    assert hooks.ids("/410") == [notice["id"]]


async def test_after_ten_tries_a_notice_is_dead_and_can_be_told_again_under_its_id(
    api: ClientSession, hooks: WebhookReceiver, ended: Ended, pool: asyncpg.Pool
) -> None:
    job = await ended("/500")
    await until_state(api, job, "pending", tries=1)
    async with asyncio.timeout(20):
        while (await notice_of(api, job))["state"] != "dead":  # time flies
            await pool.execute(
                "UPDATE outbox SET next_at = now() WHERE lease_id IS NULL AND state = 'pending'"
            )
            await pool.execute("DELETE FROM circuits")
            await asyncio.sleep(0.05)
    notice = await notice_of(api, job)
    assert notice["tries"] == 10
    assert hooks.ids("/500") == [notice["id"]] * 10

    async def better(_: web.Request) -> web.Response:
        return web.Response()

    hooks.answering["/500"] = better
    again = await ask(api, "POST", f"/api/notices/{notice['id']}/redeliver")
    assert again.status == 200
    notice = await until_state(api, job, "delivered")
    assert notice["tries"] == 11
    assert hooks.ids("/500") == [notice["id"]] * 11


async def test_what_was_delivered_can_be_told_again(
    api: ClientSession, hooks: WebhookReceiver, ended: Ended
) -> None:
    job = await ended()
    notice = await until_state(api, job, "delivered")
    assert (await ask(api, "POST", f"/api/notices/{notice['id']}/redeliver")).body["state"] == "pending"
    calls = await hooks.until(2)
    assert {call.id for call in calls} == {notice["id"]}
    assert calls[0].body == calls[1].body


async def test_retry_after_is_heeded(api: ClientSession, hooks: WebhookReceiver, ended: Ended) -> None:
    async def busy(_: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "3600"})

    hooks.answering["/busy"] = busy
    notice = await until_state(api, await ended("/busy"), "pending", tries=1)
    pause = datetime.fromisoformat(notice["next_at"]) - datetime.fromisoformat(notice["log"][0]["at"])
    assert pause >= timedelta(hours=1)


async def test_a_rerun_that_began_meanwhile_changes_nothing_of_what_is_told(
    api: ClientSession, hooks: WebhookReceiver, ended: Ended
) -> None:
    healed = asyncio.Event()

    async def sick(_: web.Request) -> web.Response:
        return web.Response(status=200 if healed.is_set() else 500)

    hooks.answering["/sick"] = sick
    job = await ended("/sick")
    (first,) = (await hooks.until(1, "/sick"))[:1]
    assert (await ask(api, "POST", f"/api/jobs/{job['id']}/rerun")).status == 200
    await until(api, job["id"], "finished")
    healed.set()
    async with asyncio.timeout(20):
        while len({call.id for call in hooks.calls}) < 2:
            await asyncio.sleep(0.05)
    for call in hooks.calls:
        told = json.loads(call.body)["data"]
        assert told["run"] == (1 if call.id == first.id else 2)
        assert told["status"] == "finished"


async def test_a_job_that_is_deleted_before_it_was_told_is_told_all_the_same(
    api: ClientSession, submit: Submit, hooks: WebhookReceiver, ended: Ended
) -> None:
    healed = asyncio.Event()

    async def sick(_: web.Request) -> web.Response:
        return web.Response(status=200 if healed.is_set() else 500)

    hooks.answering["/sick"] = sick
    job = await ended("/sick")
    await hooks.until(1, "/sick")
    assert (await ask(api, "DELETE", f"/api/jobs/{job['id']}")).status == 204
    seen = len(hooks.calls)
    healed.set()
    calls = await hooks.until(seen + 1, "/sick")
    assert json.loads(calls[-1].body)["data"]["id"] == job["id"]
    assert len({call.id for call in calls}) == 1


async def test_a_circuit_opens_after_failures_in_a_row_holds_the_rest_and_closes_when_one_arrives(
    api: ClientSession, submit: Submit, hooks: WebhookReceiver, pool: asyncpg.Pool, worker: asyncio.Event
) -> None:
    healed = asyncio.Event()

    async def sick(_: web.Request) -> web.Response:
        return web.Response(status=200 if healed.is_set() else 500)

    hooks.answering["/sick"] = sick
    jobs = [await submit(notify={"webhook_url": hooks.url("/sick")}) for _ in range(30)]
    for job in jobs:
        await until(api, job["id"], "finished")
    async with asyncio.timeout(20):
        while await pool.fetchval("SELECT count(*) FROM circuits WHERE open_until > now()") == 0:
            await asyncio.sleep(0.02)
    async with asyncio.timeout(20):
        while await pool.fetchval("SELECT count(*) FROM outbox WHERE lease_id IS NOT NULL"):
            await asyncio.sleep(0.02)
    called = len(hooks.calls)
    tries = await pool.fetchval("SELECT sum(tries) FROM outbox")
    assert tries == called
    listed = (await ask(api, "GET", "/api/notices?state=pending")).body["notices"]
    assert len(listed) == 30
    assert all(notice["held_until"] for notice in listed)
    # Another origin of the same tenant is not held.
    other = await submit(notify={"webhook_url": f"http://127.0.0.1:{hooks.port}/fine"})
    await until(api, other["id"], "finished")
    held = await notice_of(api, other)
    assert held["held_until"]  # the same origin is
    # Half open: one goes ahead, and fails; none else is tried.
    await pool.execute("UPDATE circuits SET open_until = now()")
    async with asyncio.timeout(20):
        while len(hooks.calls) == called:
            await asyncio.sleep(0.02)
    async with asyncio.timeout(20):
        while await pool.fetchval("SELECT count(*) FROM circuits WHERE open_until > now()") == 0:
            await asyncio.sleep(0.02)
    assert len(hooks.calls) == called + 1
    assert await pool.fetchval("SELECT sum(tries) FROM outbox") == called + 1
    healed.set()
    await pool.execute("UPDATE circuits SET open_until = now()")
    await pool.execute("UPDATE outbox SET next_at = now() WHERE state = 'pending'")
    async with asyncio.timeout(20):
        while await pool.fetchval("SELECT count(*) FROM outbox WHERE state <> 'delivered'"):
            await asyncio.sleep(0.05)
    assert await pool.fetchval("SELECT count(*) FROM circuits") == 0


async def test_one_receiver_that_hangs_does_not_hold_up_another(
    api: ClientSession, submit: Submit, hooks: WebhookReceiver, worker: asyncio.Event
) -> None:
    async def hang(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    hooks.answering["/hang"] = hang
    for _ in range(60):
        await submit(notify={"webhook_url": hooks.url("/hang")})
    made = await ask(api, "POST", "/api/webhook-endpoints", json={"url": hooks.url("/fine")})
    assert made.status == 201, made
    last = await submit()
    await until(api, last["id"], "finished")
    async with asyncio.timeout(20):
        while not any(
            json.loads(call.body)["data"]["id"] == last["id"] for call in hooks.calls if call.path == "/fine"
        ):
            await asyncio.sleep(0.05)
    assert len([one for one in hooks.calls if one.path == "/hang"]) <= 20
