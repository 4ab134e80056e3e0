"""Whatever people write is shown as they wrote it, and never runs: a corpus in every field that the dashboard shows."""

from typing import Any

from playwright.async_api import Page, expect

from dev_run import Dev

from .conftest import ended, go, submit

RUN = "window.__hit=(window.__hit||0)+1"
CORPUS = (
    f"<script>{RUN}</script>",
    f"<img src=x onerror='{RUN}'>",
    f"<svg onload='{RUN}'>",
    f'"><script>{RUN}</script>',
    f"'-({RUN})-'",
    f"javascript:{RUN}",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'>",
    f"<a href='javascript:{RUN}'>x</a>",
    f"${{{RUN}}}{{{{{RUN}}}}}",
    f"</textarea><details open ontoggle='{RUN}'>",
    f"<style>@import 'http://127.0.0.1:1/x'</style><math><mtext><script>{RUN}</script>",
    "\u202etxt.exe\u202c \ufeff<!-- --!> <b>bold</b> &lt;i&gt; &#60;script&#62;",
)


async def no_hit(page: Page) -> None:
    assert await page.evaluate("window.__hit") is None
    assert await page.locator("#app :is(script, iframe, object, embed, base, link)").count() == 0
    assert await page.locator("#app [onerror], #app [onload], #app [href^='javascript']").count() == 0


async def test_texts_of_jobs_are_shown_as_they_are(page: Page, dev: Dev) -> None:
    job: dict[str, Any] = {}
    for text in CORPUS:
        labels = {text[:64]: text[:256]}
        job = submit(
            dev,
            args={text: text},
            description=text,
            labels=labels,
            correlation_id=text[:64],
            client_request_id=text[:64],
            category=text[:64],
            attachment={"file": "eA==", "name": text.replace("/", "_")[:100]},
        )
        ended(dev, job["id"])
        await go(page, f"jobs/{job['id']}")
        await expect(page.locator(".sub")).to_have_text(text)
        await no_hit(page)
        for kind in ("curl", "CLI"):
            await page.get_by_role("button", name=kind).click()
        await no_hit(page)
    await go(page, "jobs")
    await expect(page.locator(".jobs tbody tr").first).to_contain_text(CORPUS[-1][:20])
    await no_hit(page)
    await go(page, "new?from=" + job["id"])
    await page.wait_for_selector("form")
    await no_hit(page)


async def test_texts_of_definitions_keys_and_the_address_are_shown_as_they_are(page: Page, dev: Dev) -> None:
    for number, text in enumerate(CORPUS):
        body = {
            "code": f"hostile-{number}",
            "type": "echo",
            "name": text[:200],
            "description": text,
            "args": {"x": text},
        }
        dev.post("/api/job-definitions", body)
        key = " ".join(text.replace("\ufeff", "").split())[:100]
        dev.post("/api/keys", {"name": key, "principal": key, "roles": ["viewer"]})
    await go(page, "definitions")
    await expect(page.locator(".definition h2").first).to_be_visible()
    await no_hit(page)
    await go(page, "definitions/hostile-1")
    await no_hit(page)
    for place in ("admin/keys", "admin/audit"):
        await go(page, place)
        await no_hit(page)
    for text in CORPUS:
        await page.evaluate("text => { location.hash = '#/jobs?q=' + encodeURIComponent(text) }", text)
        await page.wait_for_selector(".chip.on")
        await no_hit(page)
        await page.evaluate("text => { location.hash = '#/jobs/' + encodeURIComponent(text) }", text)
        await page.wait_for_selector(".failure")
        await no_hit(page)
