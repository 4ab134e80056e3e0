"""Folders of work: gone with it, whoever worked there."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from workers.work_folder import PREFIX, YOUNG_SECONDS, work_folder

WORKER = """
import asyncio, sys, tempfile
from workers.work_folder import work_folder
tempfile.tempdir = sys.argv[1]
async def main():
    async with work_folder() as folder:
        (folder / "lines").write_text("x")
        print(folder, flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def aged(folder: Path) -> Path:
    """The folder, as if it had been there for long."""
    before = folder.stat().st_mtime - YOUNG_SECONDS - 1
    os.utime(folder, (before, before))
    return folder


async def test_a_folder_goes_with_its_block(place: Path) -> None:
    async with work_folder() as folder:
        (folder / "lines").write_text("x")
    assert list(place.iterdir()) == []


async def test_what_a_killed_worker_left_goes_and_what_others_work_in_stays(place: Path) -> None:
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WORKER, str(place)), stdout=asyncio.subprocess.PIPE
    )
    assert worker.stdout is not None
    left = aged(Path((await worker.stdout.readline()).decode().strip()))
    try:
        async with work_folder() as mine:
            assert sorted(place.iterdir()) == sorted([left, mine])
            async with work_folder():
                assert aged(mine).exists()
    finally:
        worker.kill()
        await worker.wait()
    (place / f"{PREFIX}young").mkdir()
    other = place / "other"
    other.mkdir()
    aged(other)
    async with work_folder() as mine:
        assert sorted(place.iterdir()) == sorted([mine, place / f"{PREFIX}young", other])
