"""Every page, dark and light, on a desktop and on a phone: accessible, whole, and kept as a picture."""

import re
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Page, expect

from dev_run import Dev

from .conftest import SHOTS, Open, ended, go, log_in, submit

DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 360, "height": 780}
GRAVE = {"serious", "critical"}
CSV = "b25lO3R3bwoxOzIKMzs0Cg=="
PLACES = {
    "overview": "",
    "jobs": "jobs",
    "jobs-none": "jobs?q=nothing-has-this-word",
    "job-failed": "jobs/{failed}",
    "job-finished": "jobs/{finished}",
    "job-running": "jobs/{running}",
    "job-waiting": "jobs/{waiting}",
    "job-not-found": "jobs/01a20308-bcf0-745b-bec2-ab29e4cbb7ba",
    "new": "new",
    "new-form": "new?type=import_dovuti",
    "new-json": "new?type=callWebserviceEndpoint",
    "definitions": "definitions",
    "definition": "definitions/nightly",
    "workers": "workers",
    "admin-keys": "admin/keys",
    "admin-tenant": "admin/tenant",
    "admin-audit": "admin/audit",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def filled(dev: Dev) -> dict[str, str]:
    """A system with something of everything in it; the ids by what they stand for."""
    for number in range(12):
        submit(dev, "sleep", args={"seconds": 0.01, "fail": number % 4 == 0}, labels={"team": "payments"})
    table = submit(dev, "sleep", args={"seconds": 0, "output_bytes": 200_000}, description="A large output")
    stored = {"code": "nightly", "type": "echo", "name": "Every night", "schedule": {"cron": "30 2 * * *"}}
    dev.post("/api/job-definitions", stored)
    run = dev.post("/api/job-definitions/nightly/execute", {})
    failed = submit(dev, "sleep", args={"seconds": 0, "fail": True})
    ids = {
        "finished": table["id"],
        "failed": failed["id"],
        "running": submit(dev, "sleep", args={"seconds": 600, "steps": 600}, description="A long one")["id"],
        "waiting": submit(dev, run_at="2126-01-01T00:00:00Z")["id"],
    }
    for job_id in (table["id"], run["id"], failed["id"]):
        ended(dev, job_id)
    return ids


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
        faults["login"] = await grave_findings(page)
        await page.screenshot(path=SHOTS / f"login-{device}-{theme}.png")
        await log_in(page, dev.admin_key)
        for name, place in PLACES.items():
            await go(page, place.format(**filled))
            await page.wait_for_load_state("load")
            faults[name] = await grave_findings(page)
            if (width := await page.evaluate("document.documentElement.scrollWidth")) > viewport["width"]:
                faults[name].append(f"{width} px wide")
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
