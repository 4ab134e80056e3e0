"""Every page, dark and light, on a desktop and on a phone: accessible, whole, and kept as a picture."""

import asyncio
import re
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Page, expect

from dev_run import Dev

from .conftest import SHOTS, Open, go, log_in
from .cut_off import what_is_cut_off
from .furnished import furnish

DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 360, "height": 780}
GRAVE = {"serious", "critical"}
PLACES = {
    "overview": "",
    "jobs": "jobs",
    "jobs-none": "jobs?q=nothing-has-this-word",
    "job-failed": "jobs/{failed}",
    "job-finished": "jobs/{finished}",
    "job-running": "jobs/{running}",
    "job-waiting": "jobs/{waiting}",
    "job-imported": "jobs/{imported}",
    "job-wordy": "jobs/{wordy}",
    "job-not-found": "jobs/01a20308-bcf0-745b-bec2-ab29e4cbb7ba",
    "new": "new",
    "new-form": "new?type=import_dovuti",
    "new-json": "new?type=callWebserviceEndpoint",
    "definitions": "definitions",
    "definition": "definitions/nightly",
    "definition-paused": "definitions/paused",
    "definition-wordy": "definitions/{definition}",
    "workers": "workers",
    "admin-keys": "admin/keys",
    "admin-tenant": "admin/tenant",
    "admin-audit": "admin/audit",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def filled(dev: Dev) -> dict[str, str]:
    """A system with something of everything in it; the ids by what they stand for."""
    return await asyncio.to_thread(furnish, dev)


RUN_AXE = """async grave => {
    const found = await axe.run(document, {resultTypes: ["violations"]});
    return found.violations.filter(one => grave.includes(one.impact)).flatMap(
        one => one.nodes.map(node => [one.id, node.target, node.failureSummary]));
}"""


async def grave_findings(page: Page) -> list[Any]:
    """What axe finds serious or critical; it is put in once, since the page is never loaded anew."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE_SCRIPT)
    found: list[Any] = await page.evaluate(RUN_AXE, list(GRAVE))
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("device", "viewport"), [("desktop", DESKTOP), ("phone", PHONE)])
async def test_every_page_is_accessible_fits_and_is_kept_as_a_picture(
    opened: Open, filled: dict[str, str], theme: str, device: str, viewport: dict[str, int], dev: Dev
) -> None:
    SHOTS.mkdir(exist_ok=True)
    faults: dict[str, list[Any]] = {}
    async with opened(None, color_scheme=theme, viewport=viewport) as page:
        await page.wait_for_selector("#key")
        faults["login"] = await grave_findings(page) + await what_is_cut_off(page)
        await page.screenshot(path=SHOTS / f"login-{device}-{theme}.png")
        await log_in(page, dev.admin_key)
        for name, place in PLACES.items():
            await go(page, place.format(**filled))
            await page.wait_for_load_state("load")
            faults[name] = await grave_findings(page)
            faults[name] += await what_is_cut_off(page)
            await page.screenshot(path=SHOTS / f"{name}-{device}-{theme}.png")
    assert {name: found for name, found in faults.items() if found} == {}


async def test_windows_above_the_page_are_accessible(opened: Open, filled: dict[str, str]) -> None:
    for theme in ("light", "dark"):
        async with opened(color_scheme=theme) as page:
            await page.keyboard.press("?")
            await page.wait_for_selector("dialog[open]")
            assert await grave_findings(page) == []
            await page.keyboard.press("Escape")
            await go(page, "admin/keys")
            await page.click("text=New key")
            await page.wait_for_selector("dialog[open]")
            assert await grave_findings(page) == []
            await page.keyboard.press("Escape")
            await page.wait_for_selector("dialog", state="detached")
            await go(page, f"jobs/{filled['finished']}")
            await page.click("text=Links")
            await page.wait_for_selector(".links form")
            await page.click("text=curl")
            assert await grave_findings(page) == []


async def test_what_can_be_done_to_a_key_is_in_sight_on_a_phone(opened: Open) -> None:
    async with opened(viewport=PHONE) as page:
        await go(page, "admin/keys")
        box = await page.get_by_role("button", name="Revoke").first.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= PHONE["width"]


async def test_times_that_are_far_away_are_told_in_years(page: Page, filled: dict[str, str]) -> None:
    await go(page, "jobs?status=pending")
    await expect(page.locator(".jobs tbody tr", has_text=re.compile(r"starts in \d\d y"))).to_have_count(1)
