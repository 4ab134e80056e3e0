"""How it reads: exact numbers and times, two languages, the keyboard, and what is live."""

import re

from playwright.async_api import Page, expect

from dev_run import Dev

from .conftest import Open, ended, go, settled, submit, until


async def test_numbers_and_times_are_exact(page: Page, dev: Dev) -> None:
    args = '{"large": 9007199254740993, "money": 1.10, "tiny": 1e-7, "text": "9007199254740993"}'
    job = dev.post_text("/api/jobs", f'{{"type": "echo", "args": {args}}}')
    done = ended(dev, job["id"])
    await go(page, f"jobs/{job['id']}")
    shown = page.locator(".panel", has_text="Request").locator("pre").first
    await expect(shown).to_contain_text('"large": 9007199254740993,')
    await page.get_by_role("button", name="curl").click()
    await expect(shown).to_contain_text('"large":9007199254740993')
    time = page.locator(f"time[datetime='{done['created_at']}']").first
    await expect(time).to_have_attribute("title", done["created_at"].replace("T", " ").replace("Z", " UTC"))
    await page.click("text=Edit and run")
    await page.click("text=Submit")
    await expect(page.locator(".job-head")).to_contain_text("Finished")
    again = dev.text(f"/api/jobs/{page.url.rpartition('/')[2]}")
    assert '"large":9007199254740993' in again


async def test_it_speaks_italian_to_an_italian_browser_and_english_to_others(opened: Open) -> None:
    for tag, language, word in (
        ("it-IT", "it", "Panoramica"),
        ("en-GB", "en", "Overview"),
        ("fi-FI", "en", "Overview"),
    ):
        async with opened(locale=tag) as page:
            await expect(page.locator("h1")).to_have_text(word)
            assert await page.evaluate("document.documentElement.lang") == language


async def test_the_keyboard_is_enough(page: Page, dev: Dev) -> None:
    jobs = [submit(dev, labels={"batch": "keys"}) for _ in range(3)]
    await page.keyboard.press("/")
    await expect(page.get_by_role("combobox", name="Search jobs")).to_be_focused()
    await page.keyboard.type("batch=keys")
    await page.keyboard.press("Enter")
    await settled(page)
    await expect(page.locator(".jobs tbody tr")).to_have_count(3)
    await page.keyboard.press("Escape")
    for key in ("j", "j", "k", "j"):
        await page.keyboard.press(key)
    await page.keyboard.press("x")
    await expect(page.locator("tr.current input")).to_be_checked()
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".job-head")
    assert page.url.endswith(jobs[1]["id"])
    await page.keyboard.press("g")
    await page.keyboard.press("w")
    await expect(page.locator("h1")).to_have_text("Queues and workers")
    await page.keyboard.press("?")
    await expect(page.locator("dialog")).to_contain_text("search")
    await page.keyboard.press("Escape")
    await expect(page.locator("dialog")).to_have_count(0)


async def test_the_search_box_finds_a_job_by_whatever_one_knows_of_it(page: Page, dev: Dev) -> None:
    labels = {"batch": "found"}
    job = submit(dev, idempotency_key="a-key-of-it", description="needle in it", labels=labels)
    box = page.get_by_role("combobox", name="Search jobs")
    for typed, option in (
        (str(job["number"]), "number"),
        ("batch=found", "label"),
        ("needle", "text"),
        ("a-key-of-it", "idempotency key"),
    ):
        await go(page, "jobs")
        await box.fill(typed)
        await page.get_by_role("option").filter(has_text=re.compile(f"^{option} ")).click()
        await settled(page)
        await expect(page.locator(".jobs tbody tr")).to_have_count(1)
        await expect(page.locator(".jobs tbody tr")).to_contain_text(f"#{job['number']}")
    await box.fill(job["id"])
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".job-head")


async def test_next_fires_are_told_by_the_clock_of_the_schedule_and_by_the_readers(
    opened: Open, dev: Dev
) -> None:
    schedule = {"cron": "30 2 * * *", "timezone": "Asia/Tokyo"}
    dev.post("/api/job-definitions", {"code": "tokyo", "type": "echo", "schedule": schedule})
    for zone, for_reader in (("Asia/Kolkata", r"23:00 for you"), ("Asia/Tokyo", r"in \d+ h")):
        async with opened(timezone_id=zone) as page:
            await go(page, "definitions/tokyo")
            panel, fires = page.get_by_role("region", name="Schedule"), page.locator(".fires li")
            await expect(panel).to_contain_text("By the clock of Asia/Tokyo")
            await expect(fires).to_have_count(5)
            await expect(fires.nth(4)).to_contain_text(re.compile(r"^\w{3}, \w{3} \d+(, \d{4})?, 02:30"))
            await expect(fires.nth(1)).to_contain_text(re.compile(for_reader))
    async with opened() as page:
        await go(page, "definitions/tokyo")
        await page.get_by_role("button", name="Pause").click()
        await expect(page.locator("h3")).to_have_text("Would fire next, were it not paused")


HIDE = """hidden => {
    Object.defineProperty(document, "hidden", {value: Boolean(hidden), configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""


async def test_rows_are_live_and_rest_while_the_tab_is_hidden(page: Page, dev: Dev) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await go(page, "jobs?label.batch=live")
    await expect(page.locator(".empty")).to_be_visible()
    job = submit(dev, "sleep", args={"seconds": 60, "steps": 600}, labels={"batch": "live"})
    row = page.locator(".jobs tbody tr")
    await expect(row).to_contain_text(re.compile(r"step [1-9]\d* of 600"))
    dev.post(f"/api/jobs/{job['id']}/cancel", {})
    await expect(row).to_contain_text("Cancelled")
    await page.evaluate(HIDE, "1")
    asked.clear()
    dev.post(f"/api/jobs/{job['id']}/rerun", {})
    await page.wait_for_timeout(3_500)  # the shortest of its intervals is three seconds
    assert asked == []
    await expect(row).to_contain_text("Cancelled")
    await page.evaluate(HIDE, "")
    await expect(row).to_contain_text("Running")
    assert any("api/events" in url for url in asked)
    dev.post(f"/api/jobs/{job['id']}/cancel", {})


async def test_more_changes_than_one_reads_are_told_in_bundles(page: Page, dev: Dev) -> None:
    streams: list[str] = []
    page.on("request", lambda request: streams.append(request.url) if "api/events" in request.url else None)
    await go(page, "jobs")
    await until(lambda: _there(streams))
    dev.post("/api/jobs/batch", [{"type": "echo", "labels": {"batch": "flood"}}] * 1000)
    await expect(page.locator(".jobs tbody tr").first).to_contain_text("batch=flood")
    await expect(page.locator(".chip.s-pending small")).to_have_text(re.compile(r"^\d$"), timeout=30_000)


async def _there(found: list[str]) -> bool:
    return bool(found)


async def test_what_goes_wrong_is_said_and_passes(opened: Open) -> None:
    health = {"status": "ok", "checks": {"postgresql": "ok", "redis": "unavailable"}}
    async with opened(watched=False) as page:
        for path in ("**/api/**", "**/readyz*"):
            await page.route(path, lambda route: route.abort())
        await go(page, "workers")
        await expect(page.locator(".banner")).to_contain_text("be reached")
        await expect(page.locator(".failure").first).to_contain_text("Try again")
        await page.unroute("**/readyz*")
        await page.route("**/readyz*", lambda route: route.fulfill(json=health))
        await page.unroute("**/api/**")
        await page.locator(".failure button").first.click()
        for hidden in ("1", ""):  # who comes back to a tab does not wait for its intervals
            await page.evaluate(HIDE, hidden)
        await expect(page.locator(".banner")).to_contain_text("Redis is away")
        await page.unroute("**/readyz*")
        for hidden in ("1", ""):
            await page.evaluate(HIDE, hidden)
        await expect(page.locator(".banner")).to_have_count(0)
