"""What people do in the dashboard, from the first click to what has come of it."""

import re
from pathlib import Path

from playwright.async_api import Page, expect

from dev_run import ROOT, Dev, until

from .conftest import Open, ended, go, settled, submit

SAMPLE = ROOT / "docs" / "examples" / "dovuti.csv"
SERVICE = "5f0c3c1e-6f0b-4a0e-9f39-1d1b7a6a2a11"


async def confirm(page: Page, button: str) -> None:
    """Say yes in the window that asks."""
    await page.locator("dialog[open]").get_by_role("button", name=button, exact=True).click()
    await page.wait_for_selector("dialog", state="detached")


async def test_a_file_is_submitted_and_its_job_watched_to_its_end(page: Page, dev: Dev) -> None:
    await page.click("text=New job")
    await page.click("text=Import dues")
    await page.click("text=Submit")  # the browser itself holds back what misses a required field
    await page.set_input_files("input[type=file]", SAMPLE)
    await page.get_by_label("Service id").fill("no uuid")
    await page.click("text=Submit")
    await expect(page.locator("[aria-invalid=true]")).to_be_focused()
    await expect(page.locator(".fault").first).to_be_visible()
    await page.get_by_label("Service id").fill(SERVICE)
    await page.click("text=Submit")
    await expect(page.locator(".job-head")).to_contain_text("Finished")
    await expect(page.locator(".figures")).to_contain_text("196")
    await page.click("text=Preview")
    await expect(page.locator(".preview th").last).to_have_text("rejection")
    await expect(page.locator(".preview tbody tr")).to_have_count(4)
    job = dev.get(f"/api/jobs/{page.url.rpartition('/')[2]}")
    assert (job["type"], job["attachment"]["name"]) == ("import_dovuti", "dovuti.csv")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download").first.click()
    kept = await (await download.value).path()
    assert kept.stat().st_size == job["outputs"][0]["size"]


async def test_the_progress_of_an_upload_is_shown_and_it_can_be_stopped(
    opened: Open, dev: Dev, tmp_path: Path
) -> None:
    large = tmp_path / "large.csv"
    large.write_bytes(SAMPLE.read_bytes() * 1000)
    async with opened() as page:
        await go(page, "new?type=import_dovuti")
        throttle = await page.context.new_cdp_session(page)
        await throttle.send("Network.enable")
        limits = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 2_000_000}
        await throttle.send("Network.emulateNetworkConditions", limits)
        await page.set_input_files("input[type=file]", large)
        await page.get_by_label("Service id").fill(SERVICE)
        await page.click("text=Submit")
        bar = page.locator(".sending [role=progressbar]")
        await expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]\d?$"))
        before = len(dev.get("/api/jobs?type=import_dovuti&limit=1000&fields=id")["jobs"])
        await page.click("text=Stop")
        await expect(page.get_by_role("button", name="Submit")).to_be_enabled()
        assert len(dev.get("/api/jobs?type=import_dovuti&limit=1000&fields=id")["jobs"]) == before


async def test_a_running_job_is_watched_cancelled_and_run_again_with_other_args(page: Page, dev: Dev) -> None:
    job = submit(dev, "sleep", args={"seconds": 300, "steps": 1500})
    await go(page, f"jobs/{job['id']}")
    await expect(page.locator(".job-head")).to_contain_text(re.compile(r"step [1-9]\d* of 1500"))
    await expect(page.locator(".log-line").first).to_be_visible()
    await page.get_by_role("button", name="Cancel").click()
    await confirm(page, "Cancel")
    await expect(page.locator(".job-head")).to_contain_text("Cancelled")
    await page.get_by_role("button", name="Run again").click()
    await expect(page.locator(".job-head")).to_contain_text("Running")
    await expect(page.locator(".timeline")).to_contain_text("Run 2")
    await page.get_by_role("button", name="Cancel").click()
    await confirm(page, "Cancel")
    await page.click("text=Edit and run")
    await page.get_by_label("Seconds", exact=True).fill("0")
    await page.click("text=Submit")
    await expect(page.locator(".job-head")).to_contain_text("Finished")
    assert dev.get(f"/api/jobs/{page.url.rpartition('/')[2]}")["args"]["seconds"] == 0


async def test_why_a_job_waits_is_said(page: Page, dev: Dev) -> None:
    job = submit(dev, run_at="2126-01-01T00:00:00Z")
    await go(page, f"jobs/{job['id']}")
    await expect(page.locator(".explain")).to_contain_text("Scheduled for later.")
    await page.click("text=Suspend")
    await expect(page.locator(".explain")).to_contain_text("Held back.")
    await page.click("text=Resume")
    await expect(page.locator(".explain")).to_contain_text("Scheduled for later.")
    await page.get_by_role("button", name="Delete").click()
    await confirm(page, "Delete")
    await settled(page)
    assert page.url.endswith("#/jobs")


async def test_an_operator_finds_what_fails_and_runs_all_of_it_again(page: Page, dev: Dev) -> None:
    for _ in range(60):  # more than a page shows
        submit(dev, "sleep", args={"seconds": 0, "fail": True}, labels={"batch": "walk"})
    last = submit(dev, "sleep", args={"seconds": 0, "fail": True}, labels={"batch": "walk"})
    ended(dev, last["id"])
    query = "/api/jobs?status=failed&label.batch=walk&limit=1&count=true"
    until(lambda: dev.get(query)["count"] == 61, "the failures")
    await go(page, "")
    await page.get_by_role("region", name="Failing types").get_by_role("link").first.click()
    await page.wait_for_selector(".jobs")
    await settled(page)
    assert "status=failed" in page.url
    await page.locator(".jobs tbody a").first.click()
    await expect(page.locator(".error-text")).to_have_text("The job was told to fail.")
    await page.click("text=Edit and run")
    await page.get_by_label("Fail").uncheck()
    await page.click("text=Submit")
    await expect(page.locator(".job-head")).to_contain_text("Finished")
    for _ in range(3):
        await page.go_back()
    await settled(page)
    await page.get_by_role("combobox", name="Search jobs").fill("batch=walk")
    await page.keyboard.press("Enter")
    await settled(page)
    await expect(page.locator(".jobs tbody tr")).to_have_count(50)
    await page.get_by_label("Select all that are shown").check()
    await page.click("text=Select all that match")
    await page.locator(".bulk").get_by_role("button", name="Run again").click()
    await expect(page.locator("dialog h2")).to_have_text("Run 61 jobs again?")
    await confirm(page, "Run again")
    await expect(page.locator(".toast")).to_contain_text("Done: 61 jobs")
    until(lambda: dev.get(query)["count"] == 61, "the failures")
    assert dev.get(f"/api/jobs/{last['id']}")["run"] == 2


async def test_selected_jobs_are_deleted_after_a_count(page: Page, dev: Dev) -> None:
    jobs = [submit(dev, labels={"batch": "gone"}) for _ in range(3)]
    for job in jobs:
        ended(dev, job["id"])
    await go(page, "jobs?label.batch=gone")
    for job in jobs[:2]:
        await page.get_by_label(f"Select job {job['number']}").check()
    await page.locator(".bulk").get_by_role("button", name="Delete").click()
    await expect(page.locator("dialog h2")).to_have_text("Delete 2 jobs?")
    await confirm(page, "Delete")
    await expect(page.locator(".jobs tbody tr")).to_have_count(1)
    assert [one["id"] for one in dev.get("/api/jobs?label.batch=gone")["jobs"]] == [jobs[2]["id"]]


async def test_a_definition_with_a_schedule_is_made_paused_run_and_removed(page: Page, dev: Dev) -> None:
    await go(page, "definitions")
    await page.click("text=New definition")
    await page.click("text=Sleep in steps")
    await page.get_by_label("Code").fill("every-morning")
    await page.get_by_label("Name", exact=True).fill("Every morning")
    await page.get_by_label("Seconds", exact=True).fill("0")
    await page.click("text=Add a schedule")
    await page.get_by_label("Cron expression").fill("61 * * * *")
    await expect(page.locator(".schedule .fault").first).to_be_visible()
    await page.get_by_label("Cron expression").fill("15 7 * * 1-5")
    await page.get_by_label("Time zone").fill("Europe/Rome")
    await expect(page.locator(".said")).to_have_text("Monday to Friday at 07:15")
    await expect(page.locator(".fires li")).to_have_count(5)
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("h1")).to_have_text("Every morning")
    await expect(page.locator(".fires li")).to_have_count(5)
    made = dev.get("/api/job-definitions/every-morning")
    assert (made["schedule"]["cron"], made["schedule"]["timezone"]) == ("15 7 * * 1-5", "Europe/Rome")
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator(".label.warn")).to_have_text("Paused")
    assert dev.get("/api/job-definitions/every-morning")["schedule"]["enabled"] is False
    await page.get_by_role("button", name="Edit").click()
    await page.get_by_label("Name", exact=True).fill("Each morning")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("h1")).to_have_text("Each morning")
    await page.get_by_role("button", name="Run now").click()
    await expect(page.locator(".job-head")).to_contain_text("Finished")
    await page.click("text=every-morning")
    await expect(page.locator(".strip a")).to_have_count(1)
    await page.get_by_role("button", name="Delete").click()
    await confirm(page, "Delete")
    await settled(page)
    assert "every-morning" not in {one["code"] for one in dev.get("/api/job-definitions")["job_definitions"]}


async def test_a_link_is_shared_followed_and_revoked(opened: Open, dev: Dev) -> None:
    job = submit(dev, "sleep", args={"seconds": 0, "output_bytes": 100_000})
    ended(dev, job["id"])
    async with opened(permissions=["clipboard-read", "clipboard-write"]) as page:
        await go(page, f"jobs/{job['id']}")
        await page.get_by_role("button", name="Links").click()
        links = page.locator(".links li")
        await expect(links).to_have_count(1)  # the job's own
        await page.get_by_label("Who").select_option("public")
        await page.get_by_label("Downloads, at most").fill("3")
        await page.get_by_role("button", name="Make link").click()
        await expect(links).to_have_count(2)
        await expect(links.first).to_contain_text("Whoever has the link")
        url = await page.evaluate("navigator.clipboard.readText()")
        assert (
            await page.evaluate("async url => (await fetch(url, {credentials: 'omit'})).status", url) == 200
        )
        await links.first.get_by_role("button", name="Revoke").click()
        await confirm(page, "Revoke")
        await expect(links.first).to_contain_text("Revoked")
        assert await page.evaluate("async url => (await fetch(url)).status", url) == 410


async def test_a_key_is_made_shown_once_rotated_and_revoked(page: Page, dev: Dev) -> None:
    await go(page, "admin/keys")
    await page.get_by_role("button", name="New key").click()
    await page.locator("dialog").get_by_label("Name").fill("of a test")
    await page.locator("dialog").get_by_label("Principal").fill("anna@example.org")
    await page.get_by_label("Viewer").check()
    await page.get_by_role("button", name="Make key").click()
    secret = await page.locator("dialog .code pre").inner_text()
    assert secret.startswith("lv_")
    await page.get_by_role("button", name="I have kept it").click()
    row = page.locator("tr", has_text="of a test")
    await expect(row).to_contain_text("viewer")
    assert secret not in await page.content()
    await row.get_by_role("button", name="Rotate").click()
    await confirm_and_stay(page, "Rotate")
    assert await page.locator("dialog .code pre").inner_text() != secret
    await page.get_by_role("button", name="I have kept it").click()
    await row.get_by_role("button", name="Revoke").click()
    await confirm(page, "Revoke")
    await expect(row).to_have_count(0)
    assert "of a test" not in {key["name"] for key in dev.get("/api/keys")["keys"]}
    await page.click("text=Audit")
    await expect(page.locator(".audit tbody tr").first).to_contain_text("revoke")


async def confirm_and_stay(page: Page, button: str) -> None:
    """Say yes in the window that asks, where another one follows."""
    await page.locator("dialog[open]").get_by_role("button", name=button, exact=True).click()
    await page.wait_for_selector("dialog .code pre")


async def test_the_tenants_caps_are_set_and_taken_away(page: Page, dev: Dev) -> None:
    await go(page, "admin/tenant")
    await page.get_by_label("Waiting jobs").fill("123456")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator(".toast")).to_contain_text("Saved")
    assert dev.get("/api/tenant")["caps"]["queued"] == 123456
    await page.get_by_label("Waiting jobs").fill("")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator(".toast")).to_have_count(2)
    assert dev.get("/api/tenant")["caps"]["queued"] is None


async def test_a_worker_is_drained_and_resumed_by_who_may(page: Page, opened: Open, dev: Dev) -> None:
    await go(page, "workers")
    row = page.get_by_role("region", name="Workers").locator("tbody tr")
    await expect(row).to_contain_text("Takes jobs")
    await row.get_by_role("button", name="Drain").click()
    try:
        await expect(page.locator(".toast")).to_contain_text("It takes no more jobs.")
        await expect(row).to_contain_text("Draining")
        (worker,) = dev.get("/api/workers")["workers"]
        assert worker["draining"]
        job = submit(dev)
        assert dev.get(f"/api/jobs/{job['id']}?wait=1")["status"] == "pending"
        await row.get_by_role("button", name="Resume").click()
        await expect(row).to_contain_text("Takes jobs")
        await expect(row.get_by_role("button", name="Drain")).to_be_visible()
        assert ended(dev, job["id"])["status"] == "finished"
    finally:
        for one in dev.get("/api/workers")["workers"]:
            dev.post(f"/api/workers/{one['id']}/resume", {})
    key = dev.post("/api/keys", {"name": "ada", "principal": "ada", "roles": ["admin"]})["secret"]
    async with opened(key, locale="it-IT") as italian:
        await go(italian, "workers")
        theirs = italian.get_by_role("region", name="Worker").locator("tbody tr")
        await expect(theirs).to_contain_text("Accetta lavori")
        await expect(theirs.get_by_role("button")).to_have_count(0)
    async with opened(locale="it-IT") as italian:
        await go(italian, "workers")
        await expect(italian.get_by_role("button", name="Svuota")).to_be_visible()
