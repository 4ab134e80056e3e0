"""The supervisor with small children: order, restarts, patience and its end."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from service.dev.child import Child, DevError, Keeper
from service.dev.leftover import end_leftover
from service.dev.supervisor import Supervisor

# Writes `NAME up`, waits to be told to stop, writes `NAME down`; all into one file, in the order in which it happens.
DIARIST = """
import signal, sys, time
name, diary = sys.argv[1:]
def write(what):
    with open(diary, "a") as file: file.write(f"{name} {what}\\n")
def stop(*_):
    write("down"); sys.exit()
signal.signal(signal.SIGTERM, stop)
write("up")
time.sleep(60)
"""


def diarist(name: str, diary: Path) -> Child:
    async def ready() -> bool:
        return diary.exists() and f"{name} up" in diary.read_text()

    return Child(name, (sys.executable, "-c", DIARIST, name, str(diary)), ready=ready)


async def until(lines: list[str], text: str) -> None:
    async with asyncio.timeout(20):
        while not any(text in line for line in lines):
            await asyncio.sleep(0.02)


async def test_groups_start_in_order_and_stop_in_the_opposite_one(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    supervisor = Supervisor(print)
    for name in ("first", "second", "third"):
        await supervisor.start(diarist(name, diary))
    await supervisor.stop()
    ups, downs = ["first up", "second up", "third up"], ["third down", "second down", "first down"]
    assert diary.read_text().splitlines() == ups + downs


async def test_a_child_that_ends_starts_again_after_growing_pauses() -> None:
    lines: list[str] = []
    keeper = Keeper(Child("brief", (sys.executable, "-c", "print('hello')")), lines.append)
    await keeper.start()
    await until(lines, "again in 0.8 s")
    await keeper.stop()
    told = [line for line in lines if "again" in line]
    assert told[:3] == [f"brief | ended (exit code 0); starting it again in {s} s" for s in (0.2, 0.4, 0.8)]
    assert lines.count("brief | hello") >= 3


async def test_a_child_that_never_becomes_ready_is_given_up_with_its_last_words(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    argv = (sys.executable, "-c", "import sys; sys.exit('FATAL: no room')")
    keeper = Keeper(Child("broken", argv, log=tmp_path / "log", ready=never), print)
    with pytest.raises(DevError, match=r"broken does not start \(exit code 1\)\. Its last words: no room"):
        await keeper.start()
    await keeper.stop()


async def test_a_program_that_is_not_there_is_given_up_too() -> None:
    async def never() -> bool:
        return False

    lines: list[str] = []
    keeper = Keeper(Child("missing", ("/nonexistent/program",), ready=never), lines.append)
    with pytest.raises(DevError, match="missing does not start"):
        await keeper.start()
    await keeper.stop()
    assert "missing | cannot be run: No such file or directory" in lines


DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"


async def test_a_child_that_does_not_listen_is_killed_after_its_time() -> None:
    lines: list[str] = []
    keeper = Keeper(Child("deaf", (sys.executable, "-c", DEAF), stop_seconds=0.2), lines.append)
    await keeper.start()
    await until(lines, "deaf | deaf")
    async with asyncio.timeout(5):
        await keeper.stop()
    assert keeper.pid is None


async def test_hurrying_kills_what_is_still_being_waited_for() -> None:
    lines: list[str] = []
    supervisor = Supervisor(lines.append)
    await supervisor.start(Child("deaf", (sys.executable, "-c", DEAF), stop_seconds=60))
    await until(lines, "deaf | deaf")
    async with asyncio.timeout(5):
        stopping = asyncio.create_task(supervisor.stop())
        supervisor.hurry()
        await stopping


async def test_lines_of_any_length_and_encoding_are_forwarded() -> None:
    lines: list[str] = []
    program = "import os; os.write(1, b'x' * 200000 + b'\\n\\xff after\\n'); import time; time.sleep(60)"
    keeper = Keeper(Child("loud", (sys.executable, "-c", program)), lines.append)
    await keeper.start()
    await until(lines, "after")
    await keeper.stop()


async def test_a_stale_pid_file_is_removed_and_its_number_s_new_owner_left_alone(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    pid_file.write_text(f"{os.getpid()}\n")
    await end_leftover(pid_file, str(tmp_path / "no such mark"), signal.SIGKILL)
    assert not pid_file.exists()


async def test_a_server_of_a_former_run_is_ended(tmp_path: Path) -> None:
    mark = str(tmp_path / "mark")
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(60)", mark)
    (tmp_path / "pid").write_text(str(process.pid))
    await end_leftover(tmp_path / "pid", mark, signal.SIGTERM)
    assert await process.wait() == -signal.SIGTERM
