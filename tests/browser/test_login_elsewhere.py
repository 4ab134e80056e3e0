"""Logging in at a provider in a browser, over a system of its own that trusts one."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from dev_run import Dev, free_port
from oidc_issuer import SECRET, TestIssuer

from .conftest import SHOTS, WAIT_MS


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def issuer() -> AsyncIterator[TestIssuer]:
    # Another site than 127.0.0.1, unlike another port: cookies are held back as they are between real hosts.
    async with TestIssuer.running("localhost") as running:
        running.asks_people = True
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def trusting(issuer: TestIssuer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Dev]:
    """A whole system whose people come from the issuer."""
    port = free_port()
    own = {
        "LAVORI_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "LAVORI_LOG_LEVEL": "debug",
        "LAVORI_WORKERS": "0",
    }
    data = tmp_path_factory.mktemp("trusting")
    with Dev(data, port, environ={**issuer.login_environ, **own}).until_ready() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, trusting: Dev) -> AsyncIterator[Page]:
    context = await browser.new_context(locale="en-US")
    context.set_default_timeout(WAIT_MS)
    yield await context.new_page()
    await context.close()


async def test_somebody_logs_in_at_the_provider_and_out_again(
    page: Page, issuer: TestIssuer, trusting: Dev
) -> None:
    issuer.tells = {"sub": "anna@example.org", "roles": ["viewer"]}
    await page.goto(f"{trusting.url}/#/workers")
    await page.screenshot(path=SHOTS / "login-elsewhere.png")
    await page.click("text=Log in with localhost")
    await expect(page.locator("h1")).to_have_text("Is it you?")
    assert page.url.startswith(f"{issuer.address}/authorize?")
    await page.click("button[value=yes]")
    await expect(page.locator("h1")).to_have_text("Queues and workers")
    assert page.url == f"{trusting.url}/#/workers"
    await page.click("nav >> text=Overview")
    await expect(page.locator("h1")).to_have_text("Overview")
    await expect(page.locator(".who-name")).to_have_text("anna@example.org")
    assert await page.locator("nav >> text=Admin").count() == 0
    (cookie,) = [one for one in await page.context.cookies(trusting.url) if "lavori" in one["name"]]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    await page.click("text=Log out")
    await page.wait_for_selector("#key")
    assert await page.context.cookies(trusting.url) == []
    await page.reload()
    await page.wait_for_selector("#key")


async def test_who_is_refused_reads_why_and_may_try_again(
    page: Page, issuer: TestIssuer, trusting: Dev
) -> None:
    issuer.tells = {"tenant": "nowhere"}
    await page.goto(trusting.url)
    await page.click("text=Log in with localhost")
    await page.click("button[value=no]")
    await expect(page.locator("[role=alert]")).to_have_text(re.compile("has not let you in"))
    await page.screenshot(path=SHOTS / "login-refused.png")
    assert await page.evaluate("getComputedStyle(document.querySelector('section')).borderRadius") == "14px"
    await page.click("text=Back to the dashboard")
    await page.click("text=Log in with localhost")
    await page.click("button[value=yes]")
    await expect(page.locator("[role=alert]")).to_have_text(re.compile("no access here"))
    assert await page.context.cookies(trusting.url) == []


async def test_nothing_of_a_login_is_kept_in_the_log_or_the_audit(
    page: Page, issuer: TestIssuer, trusting: Dev
) -> None:
    issuer.tells = {"sub": "carla", "roles": ["admin"]}
    await page.goto(trusting.url)
    await page.click("text=Log in with localhost")
    await expect(page.locator("h1")).to_have_text("Is it you?")
    asked = page.url
    await page.click("button[value=yes]")
    await expect(page.locator("h1")).to_have_text("Overview")
    told = trusting.get("/api/audit?principal=carla")["audit"]
    assert [(one["action"], one["object_type"], one["key_id"]) for one in told] == [
        ("create", "session", None)
    ]
    kept = trusting.said() + str(told)
    assert "/login/oidc/callback" in kept, "the log is there to be searched"
    form = issuer.exchanged[-1]
    query = dict(re.findall(r"(\w+)=([^&]+)", asked))
    secrets = [form["code"], form["code_verifier"], query["state"], query["nonce"], SECRET, "eyJ"]
    assert [one for one in secrets if one in kept] == []
