"""Work in a process of its own: what it yields arrives, and however it ends, the worker lives and knows."""

import asyncio
import os
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

import sandbox_work as work
from service.jobs.jobtype import JobFailed
from service.sandbox.process import MIB
from workers.sandbox import sandboxed


async def taken(items: AsyncIterator[bytes]) -> list[bytes]:
    return [item async for item in items]


async def until(met: Callable[[], bool], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not met():
            await asyncio.sleep(0.01)


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_what_the_function_yields_arrives_in_order() -> None:
    async with sandboxed(work.count, 1000) as items:
        assert await taken(items) == [b"%d" % n for n in range(1000)]


async def test_items_larger_than_the_pipe_arrive_whole() -> None:
    async with sandboxed(work.large, 5, 5 * MIB) as items:
        assert [(len(item), item[0]) for item in await taken(items)] == [(5 * MIB, n) for n in range(5)]


async def test_the_child_sees_no_secrets_and_its_prints_spoil_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:password@host/db")
    async with sandboxed(work.talk) as items:
        (names,) = await taken(items)
    assert b"PATH" in names
    assert b"DATABASE_URL" not in names


async def test_its_command_line_can_not_be_taken_for_a_worker(tmp_path: Path) -> None:
    async with sandboxed(work.endless, str(tmp_path / "pid")) as items:
        await anext(items)
        command = Path(f"/proc/{(tmp_path / 'pid').read_text()}/cmdline").read_bytes()
    assert b"importlib" in command
    assert b"worker" not in command


async def test_a_refusal_fails_the_job_in_its_words() -> None:
    async with sandboxed(work.refuse) as items:
        assert await anext(items) == b"before"
        with pytest.raises(JobFailed, match=r"The file is bad\.") as failed:
            await anext(items)
    assert failed.value.code == "bad_file"


async def test_an_exception_fails_the_job_without_its_words() -> None:
    async with sandboxed(work.break_down) as items:
        with pytest.raises(JobFailed) as failed:
            await taken(items)
    assert failed.value.code == "process_failed"
    assert failed.value.message == "The work failed in its own process: ValueError."


@pytest.mark.parametrize(("name", "how"), [("leave", "ended with code 3"), ("die", "was killed by signal 9")])
async def test_a_crash_fails_the_job_and_says_how(name: str, how: str) -> None:
    async with asyncio.timeout(10), sandboxed(getattr(work, name)) as items:
        with pytest.raises(JobFailed, match=how) as failed:
            await taken(items)
    assert failed.value.code == "process_failed"


async def test_more_memory_than_allowed_fails_the_job() -> None:
    async with sandboxed(work.hoard, memory=256 * MIB) as items:
        with pytest.raises(JobFailed) as failed:
            await taken(items)
    assert failed.value.code == "out_of_memory"


async def test_a_child_that_dies_before_it_is_told_what_to_do_fails_the_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    async with sandboxed(work.count, 1) as items:
        with pytest.raises(JobFailed, match="ended with code 1"):
            await taken(items)


@pytest.mark.alone
async def test_cancelling_kills_a_child_that_is_busy(tmp_path: Path) -> None:
    async def run() -> None:
        async with sandboxed(work.endless, str(tmp_path / "pid")) as items:
            await taken(items)

    running = asyncio.create_task(run())
    await until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
    pid = int((tmp_path / "pid").read_text())
    running.cancel()
    began = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert time.monotonic() - began < 1
    assert not is_alive(pid)


async def test_a_full_pipe_holds_the_child_back_and_leaving_early_is_fine(tmp_path: Path) -> None:
    async with sandboxed(work.overfeed, str(tmp_path / "n")) as items:
        await anext(items)
        last = -1
        while (now := int((tmp_path / "n").read_text() or 0)) != last:
            last = now
            await asyncio.sleep(0.3)
        assert last < 8


async def test_kill_9_of_the_parent_ends_a_child_that_is_busy(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    parent = f"""
        import asyncio, sys
        sys.path[:] = {sys.path!r}
        import sandbox_work
        from workers.sandbox import sandboxed
        async def main():
            async with sandboxed(sandbox_work.endless, {str(note)!r}) as items:
                async for _ in items:
                    pass
        asyncio.run(main())
    """
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", textwrap.dedent(parent))
    await until(lambda: note.exists() and note.read_text() != "")
    pid = int(note.read_text())
    assert is_alive(pid)
    process.kill()
    await process.wait()
    await until(lambda: not is_alive(pid))


async def test_no_descriptor_and_no_zombie_is_left() -> None:
    before, others = open_descriptors(), children()
    for _ in range(5):
        async with sandboxed(work.count, 3) as items:
            await anext(items)
    await until(lambda: open_descriptors() <= before)
    assert children() == others
