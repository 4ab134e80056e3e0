"""The programs of `make bench` still start and find their figures; what they find is not judged here."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from benchmarks.system import children
from fault_lab.debian import debian_program

ROOT = Path(__file__).parents[2]


def bench(*words: str, environ: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words, "--runs", "1", "--seconds", "1", "--forget"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_measure_starts_the_whole_system_and_prints_its_table() -> None:
    assert "| 201 to running, p50, ms |" in bench("latency", "--samples", "5")


def test_requests_are_measured_with_wrk() -> None:
    wrk = debian_program("wrk")
    found = wrk.environ | {"PATH": f"{wrk.path.parent}:{wrk.environ['PATH']}"}
    printed = bench("http", "--only", "poll of what", environ=found)
    assert "| poll of what is known (304), requests/s |" in printed


def test_an_unknown_measure_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "nothing"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "there is no nothing; there are peers, import" in done.stderr


async def test_a_measurement_that_is_told_to_end_ends_all_that_it_has_started(tmp_path: Path) -> None:
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks", "idle", "--forget", cwd=ROOT, env=environ
    )
    started: dict[int, str] = {}
    try:
        async with asyncio.timeout(60):
            wanted = {"serve", "worker", "postgres", "valkey-server"}
            while not all(any(word in said for said in started.values()) for word in wanted):
                await asyncio.sleep(0.05)
                started |= all_below(running.pid)
        running.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await running.wait() == 128 + signal.SIGTERM
        assert left(started) == {}
        assert list(tmp_path.iterdir()) == [], "nor do its folders stay"
    finally:
        if running.returncode is None:
            running.kill()
        for pid in left(started):
            os.kill(pid, signal.SIGKILL)


def left(started: dict[int, str]) -> dict[int, str]:
    """Those that still run."""
    return {pid: said for pid, said in started.items() if said and command_of(pid) == said}


def all_below(pid: int) -> dict[int, str]:
    """The processes that one has started, and those that they have, with their commands."""
    try:
        below = {child: command_of(child) for child in children(pid)}
    except FileNotFoundError:  # it has ended
        return {}
    return below | {inner: said for child in below for inner, said in all_below(child).items()}


def command_of(pid: int) -> str:
    """What a process was started with; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ").strip()
    except FileNotFoundError:
        return ""
