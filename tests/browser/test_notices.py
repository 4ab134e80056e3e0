"""Who was told of a job's end: seen, and told again, at its page."""

import asyncio
import re

from aiohttp import web
from playwright.async_api import Page, expect

from dev_run import Dev
from receivers import webhook_receiver

from .conftest import Open, go, submit


async def failing(_: web.Request) -> web.StreamResponse:
    return web.Response(status=503)


async def test_a_webhook_that_failed_is_seen_and_sent_again_once_its_receiver_is_mended(
    page: Page, dev: Dev, hooks_port: int
) -> None:
    async with webhook_receiver(hooks_port) as hooks:
        hooks.answering["/told"] = failing
        asked = {"webhook_url": hooks.url("/told")}
        job = await asyncio.to_thread(submit, dev, "sleep", args={"seconds": 0}, notify=asked)
        await hooks.until(1, "/told")
        await go(page, f"jobs/{job['id']}")
        notice = page.get_by_role("region", name="Notices").locator("li.file")
        await expect(notice).to_contain_text(hooks.url("/told"))
        await expect(notice).to_contain_text("the receiver answers (503)")
        await expect(notice).to_contain_text(
            re.compile(r"On its way.*one try.*next try in \d+ min", re.DOTALL)
        )
        hooks.answering.clear()
        await notice.get_by_role("button", name="Tries").click()
        await expect(notice.locator(".tries li")).to_have_count(1)
        await notice.get_by_role("button", name="Send again").click()
        await expect(page.locator(".toast")).to_contain_text("It goes out again")
        await expect(notice.locator(".badge")).to_have_text("Delivered")
        await expect(notice).to_contain_text("2 tries")
        await expect(notice.locator(".line-main")).not_to_contain_text("503")
        await expect(notice.locator(".tries li")).to_have_count(2)
        await expect(notice.locator(".tries li").first).to_contain_text(re.compile("delivered.*200"))
        assert len(set(hooks.ids("/told"))) == 1  # the receiver can tell that it is the same
        await notice.get_by_role("button", name="Send again").click()
        await expect(page.locator("dialog")).to_contain_text("arrived before")
        await page.locator("dialog").get_by_role("button", name="Send again").click()
        await expect(notice).to_contain_text("3 tries")
        assert len(await hooks.until(3, "/told")) == 3


async def test_who_may_only_read_a_job_sees_its_notices_in_italian_and_sends_none(
    opened: Open, dev: Dev, hooks_port: int
) -> None:
    key = dev.post("/api/keys", {"name": "x", "principal": "vera", "roles": ["viewer"]})
    async with webhook_receiver(hooks_port) as hooks, opened(key["secret"], locale="it-IT") as page:
        asked = {"webhook_url": hooks.url("/secret-of-the-path"), "emails": ["anna@example.org"]}
        job = await asyncio.to_thread(submit, dev, "sleep", args={"seconds": 0}, notify=asked)
        await go(page, f"jobs/{job['id']}")
        notices = page.get_by_role("region", name="Notifiche")
        webhook, mail = (notices.locator("li.file", has_text=text) for text in ("127.0.0.1", "anna@"))
        await expect(webhook.locator(".badge")).to_have_text("Consegnato")
        await expect(mail.locator(".badge")).to_have_text("Non recapitabile")
        await expect(notices).not_to_contain_text("secret-of-the-path")
        await expect(webhook.get_by_role("button", name="Tentativi")).to_be_visible()
        await expect(notices.get_by_role("button", name="Invia di nuovo")).to_have_count(0)


async def test_notices_are_not_asked_for_before_an_end_and_are_not_shown_where_there_are_none(
    page: Page, dev: Dev
) -> None:
    questions: list[str] = []
    page.on("request", lambda request: questions.append(request.url) if "/notices" in request.url else None)
    notices = page.get_by_role("region", name="Notices")
    job = await asyncio.to_thread(submit, dev, "sleep", args={"seconds": 300, "steps": 300})
    await go(page, f"jobs/{job['id']}")
    await expect(page.locator(".job-head")).to_contain_text("Running")
    assert questions == []
    async with page.expect_response("**/notices?*"):
        await asyncio.to_thread(dev.post, f"/api/jobs/{job['id']}/cancel", {})
    await expect(page.locator(".job-head")).to_contain_text("Cancelled")
    await expect(notices).to_have_count(0)
    questions.clear()
    await page.get_by_role("button", name="Run again").click()
    await expect(page.locator(".job-head")).to_contain_text("Running")
    assert questions == []
    await page.route("**/notices?*", lambda route: route.fulfill(status=409, json={"detail": "not now"}))
    await notices.get_by_role("button", name="Show").click()
    await expect(notices).to_contain_text("not now")
    await page.unroute("**/notices?*")
    await notices.get_by_role("button", name="Try again").click()
    await expect(notices).to_contain_text("Nobody was told")
    await asyncio.to_thread(dev.post, f"/api/jobs/{job['id']}/cancel", {})
