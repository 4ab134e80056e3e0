"""The first minutes: an empty folder, the address that `make run` prints, and an import watched to its end."""

import re
from pathlib import Path

from playwright.async_api import Browser, expect

from dev_run import ROOT, Dev

from .conftest import SHOTS, Watch

SAMPLE = ROOT / "docs" / "examples" / "dovuti.csv"
SERVICE = "5f0c3c1e-6f0b-4a0e-9f39-1d1b7a6a2a11"
COPIES = 1_500  # enough of the sample that the import can be seen on its way: 300 took a fast machine 0.4 s
IMPORT_MS = 60_000

# Looked at with each frame: an import that takes a second must not be missed.
MOVES = """() => {
    const shown = Number(document.querySelector(".job-head [role=progressbar]")?.getAttribute("aria-valuenow"))
    return 0 < shown && shown < 100
}"""


async def test_from_an_empty_folder_to_a_finished_import(browser: Browser, tmp_path: Path) -> None:
    head, *rows = SAMPLE.read_text().splitlines()
    large = tmp_path / "dovuti.csv"
    large.write_text("\n".join([head, *rows * COPIES]) + "\n")
    with Dev(tmp_path / "data").until_ready() as dev:
        address = re.search(r"dashboard +(\S+)", dev.said())
        assert address
        watch = Watch(dev.url)
        context = await browser.new_context(locale="en-US", viewport={"width": 1440, "height": 900})
        context.on("page", watch.over)
        page = await context.new_page()

        async def seen(step: int, what: str) -> None:
            SHOTS.mkdir(exist_ok=True)
            await page.screenshot(path=SHOTS / f"newcomer-{step}-{what}.png")

        await page.goto(address[1])
        await expect(page.locator("h1")).to_have_text("Overview")
        await seen(1, "overview")
        await page.click("text=New job")
        await page.click("text=Import dues")
        await page.set_input_files("input[type=file]", large)
        await page.get_by_label("Service id").fill(SERVICE)
        await seen(2, "form")
        await page.click("text=Submit")
        await page.wait_for_function(MOVES)
        await seen(3, "running")
        await expect(page.locator(".job-head")).to_contain_text("Finished", timeout=IMPORT_MS)
        await page.click("text=Preview")
        await expect(page.locator(".preview th").last).to_have_text("rejection")
        await seen(4, "finished")
        async with page.expect_download() as download:
            await page.get_by_role("link", name="Download").first.click()
        rejected = (await (await download.value).path()).read_text().splitlines()
        counts = dev.get(f"/api/jobs/{page.url.rpartition('/')[2]}")["output"]
        assert f'"rejected":{len(rejected) - 1}' in counts.replace(" ", "")
        await page.click("nav >> text=Overview")
        await expect(page.locator("main")).to_contain_text("Finished")
        await seen(5, "overview-after")
        await context.close()
        assert watch.faults == []
        assert dev.stop() == 0
