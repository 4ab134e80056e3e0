"""Logging in and out in a browser."""

import re

from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import expect

from dev_run import Dev

from .conftest import Open, log_in


async def test_a_key_logs_in_and_nothing_that_scripts_can_read_holds_it(opened: Open, dev: Dev) -> None:
    async with opened(None) as page:
        await page.fill("#key", "x" * 30)
        await page.click("button.primary")
        await expect(page.locator("#login-fault")).to_contain_text("unknown, expired or revoked")
        await log_in(page, dev.admin_key)
        kept = await page.evaluate(
            "JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])"
        )
        assert kept == '["",{},{}]'
        (cookie,) = await page.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        await page.reload()
        await expect(page.locator("h1")).to_have_text("Overview")
        await page.click("text=Log out")
        await page.wait_for_selector("#key")
        assert await page.context.cookies() == []
        await page.reload()
        await page.wait_for_selector("#key")


async def test_the_address_that_make_run_prints_logs_in_once(opened: Open, dev: Dev) -> None:
    found = re.search(r"dashboard +(\S+)", dev.said())
    assert found
    async with opened(None) as page:
        await page.goto("about:blank")
        await page.goto(found[1])
        await expect(page.locator("h1")).to_have_text("Overview")
        assert "ticket" not in page.url
        await page.context.clear_cookies()
        await page.goto("about:blank")
        await page.goto(found[1])
        await page.wait_for_selector("#key")


async def test_a_revoked_key_ends_what_is_open(opened: Open, dev: Dev) -> None:
    made = dev.post("/api/keys", {"name": "x", "principal": "vera", "roles": ["viewer"]})
    async with opened(made["secret"]) as page:
        await expect(page.locator(".who-name")).to_have_text("vera")
        assert await page.locator("text=New job").count() == 0
        assert await page.locator("nav >> text=Admin").count() == 0
        dev.delete(f"/api/keys/{made['id']}")
        await page.wait_for_selector("#key")


async def hostile(_: web.Request) -> web.Response:
    return web.Response(text="<!doctype html><title>Another origin</title>", content_type="text/html")


async def test_a_page_of_another_origin_can_do_nothing_with_the_session(opened: Open, dev: Dev) -> None:
    app = web.Application()
    app.add_routes([web.get("/", hostile)])
    # Another port of this machine is of the same site: its requests bear the cookie, which SameSite does not keep back.
    async with TestServer(app) as server, opened(watched=False) as page:
        other = await page.context.new_page()
        await other.goto(str(server.make_url("/")))
        before = len(dev.get("/api/keys")["keys"])
        answers = await other.evaluate(ATTEMPTS, f"{dev.url}/api/keys")
        assert set(answers) <= {"opaque", "refused"}
        assert len(dev.get("/api/keys")["keys"]) == before
        await other.set_content(FORM.replace("URL", f"{dev.url}/api/session"))
        async with other.expect_response("**/api/session") as posted:
            await other.click("button")
        assert (await posted.value).status in (403, 415)


ATTEMPTS = """async url => {
    const body = JSON.stringify({name: "a", principal: "a"}), own = {"X-Lavori-Dashboard": "1"}, tried = [];
    const json = {...own, "Content-Type": "application/json"};
    for (const how of [
        {method: "POST", body, mode: "no-cors"}, {method: "POST", body, headers: json},
        {method: "DELETE", headers: own}, {},
    ]) {
        const told = fetch(url, {credentials: "include", ...how});
        tried.push(await told.then(r => r.type === "opaque" ? "opaque" : r.status, () => "refused"));
    }
    return tried;
}"""
FORM = """<form method="post" enctype="text/plain" action="URL">
<input name='{"key": "' value='x"}'><button>go</button></form>"""
