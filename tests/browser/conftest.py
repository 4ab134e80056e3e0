"""The dashboard in Debian's Chromium, over a whole system of its own; every page is watched for what it must not do."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from dev_run import Dev, free_port

SHOTS = Path(__file__).parent / "shots"
INSTALL_SECONDS = 600
WAIT_MS = 15_000
expect.set_options(timeout=WAIT_MS)  # a busy machine takes its time


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let all tests of this folder share one loop, since they share one browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The program; installed where that can be done, which on a machine for tests it can."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None and shutil.which("apt-get") and os.geteuid() == 0:
        install = ["apt-get", "install", "--yes", "--no-install-recommends", "chromium", "fonts-dejavu-core"]
        for command in (["apt-get", "update"], install):
            subprocess.run(command, check=True, timeout=INSTALL_SECONDS, capture_output=True)
        found = shutil.which("chromium")
    if found is None:
        pytest.skip("there is no chromium, and apt-get can't install it here: install it to run these tests")
    return found


@pytest.fixture(scope="package")
def hooks_port() -> int:
    """Where webhooks may go, though it is an address of this machine."""
    return free_port()


@pytest.fixture(scope="package")
def dev(tmp_path_factory: pytest.TempPathFactory, hooks_port: int) -> Iterator[Dev]:
    """A whole system, as `make run` starts it; what failed to be delivered is not soon tried again by itself."""
    environ = {
        "LAVORI_DRAIN_SECONDS": "1",
        "LAVORI_CANCEL_GRACE_SECONDS": "1",
        "LAVORI_WORKER_CONCURRENCY": "20",
        "LAVORI_OUTBOUND_ALLOW": f"127.0.0.1:{hooks_port}",
        "LAVORI_NOTICE_RETRY_SECONDS": "600",
    }
    with Dev(tmp_path_factory.mktemp("browsed"), environ=environ).until_ready() as running:
        yield running


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """One browser for all tests; each has a context, and so cookies, of its own."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        await launched.close()


@dataclass
class Watch:
    """What a page did that it must not do."""

    origin: str
    faults: list[str] = field(default_factory=list)

    def over(self, page: Page) -> None:
        """Watch a page."""
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("console", lambda said: self._said(said.type, said.text))
        page.on("request", lambda request: self._asked(request.url))
        page.on("dialog", lambda dialog: self.faults.append(f"dialog: {dialog.message}"))

    def _said(self, kind: str, text: str) -> None:
        # A login that is asked for is told by a 401, and what is refused by a 4xx, which the browser calls errors.
        if kind == "error" and not text.startswith(
            "Failed to load resource: the server responded with a status of 4"
        ):
            self.faults.append(f"console: {text}")

    def _asked(self, url: str) -> None:
        if not url.startswith((f"{self.origin}/", "data:", "blob:")):
            self.faults.append(f"another origin: {url}")


Open = Callable[..., Any]
"""The fixture `opened`: a context manager of a page that is logged in."""


@pytest.fixture
def opened(browser: Browser, dev: Dev) -> Open:
    """Open the dashboard; with `key` logged in (the admin's by default), with None not. `how` is of the context."""

    @asynccontextmanager
    async def opened(key: str | None = "", *, watched: bool = True, **how: Any) -> AsyncIterator[Page]:
        context = await browser.new_context(
            **{"locale": "en-US", "viewport": {"width": 1440, "height": 900}, **how}
        )
        context.set_default_timeout(WAIT_MS)
        watch = Watch(dev.url)
        if watched:
            context.on("page", watch.over)
        try:
            page = await context.new_page()
            await page.goto(dev.url + "/")
            if key is not None:
                await log_in(page, key or dev.admin_key)
            yield page
            assert watch.faults == []
        finally:
            await context.close()

    return opened


async def log_in(page: Page, key: str) -> None:
    """Type a key, and be let in."""
    await page.fill("#key", key)
    await page.click("button.primary")
    await page.wait_for_selector("nav a[aria-current=page]")


@pytest_asyncio.fixture(loop_scope="session")
async def page(opened: Open) -> AsyncIterator[Page]:
    """The dashboard, with the admin logged in."""
    async with opened() as shown:
        yield shown


async def go(page: Page, place: str) -> None:
    """Go to a page of the dashboard, and wait until it stands."""
    await page.evaluate("place => { location.hash = place }", f"#/{place}")
    await settled(page)


async def settled(page: Page) -> None:
    """Wait until nothing is being loaded that is shown as such."""
    await page.wait_for_selector("h1")
    await expect(page.locator(".skeleton, .stale")).to_have_count(0)


async def until(condition: Callable[[], Awaitable[object]], seconds: float = 15) -> None:
    """Ask until it is so."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.05)


def submit(dev: Dev, type_: str = "echo", **body: Any) -> dict[str, Any]:
    """Create a job as the admin."""
    return dev.post("/api/jobs", {"type": type_, **body})


def ended(dev: Dev, job_id: str) -> dict[str, Any]:
    """Wait for the end of a job."""
    return dev.get(f"/api/jobs/{job_id}?wait=30")
