"""A child process: what to run, how to know that it is ready, how to end it, and how to keep it alive."""

import asyncio
import contextlib
import ctypes
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
SETTLED_SECONDS = 30.0  # a child that lived this long starts again after the first pause
ATTEMPTS_TO_START = 5
READY_POLL_SECONDS = 0.05
SLOW_START_SECONDS = 10.0  # as when PostgreSQL recovers from a crash

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class DevError(Exception):
    """What keeps the system from running, in one sentence for whoever started it."""


@dataclass(frozen=True, slots=True)
class Child:
    """One process to keep alive.

    `stop` asks it to end; after `stop_seconds` comes `kill`. `orphaned` is what it gets when its parent is gone
    without a word (Linux only). With `log` its output goes to that file, else to `on_line`, line by line.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] | None = None
    stop: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    kill: signal.Signals = signal.SIGKILL
    orphaned: signal.Signals = signal.SIGKILL
    log: Path | None = None
    ready: Callable[[], Awaitable[bool]] | None = None


class Keeper:
    """Starts one child, starts it again whenever it ends, and stops it for good."""

    def __init__(self, child: Child, on_line: Callable[[str], None]) -> None:
        """`on_line` gets lines of the child's output and what happens to it, each behind the child's name."""
        self.child = child
        self._on_line = on_line
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._kept: asyncio.Task[None] | None = None
        self._spawned = asyncio.Event()
        self._was_ready = False

    def _say(self, line: str) -> None:
        self._on_line(f"{self.child.name} | {line}")

    async def start(self) -> None:
        """Start the child and return when it is ready. Raises DevError when it ends again and again instead."""
        self._kept = asyncio.create_task(self._keep(), name=f"keep {self.child.name}")
        ready = asyncio.create_task(self._until_ready(), name=f"wait for {self.child.name}")
        try:
            await asyncio.wait({self._kept, ready}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                self._kept.result()
                raise DevError(f"{self.child.name} was stopped before it was ready.")
            ready.result()
        finally:
            ready.cancel()
            await asyncio.wait({ready})

    async def _until_ready(self) -> None:
        clock = asyncio.get_running_loop().time
        tell_at = clock() + SLOW_START_SECONDS
        await self._spawned.wait()
        while self.child.ready and not await self.child.ready():
            await asyncio.sleep(READY_POLL_SECONDS)
            if clock() > tell_at:
                self._say("still starting")
                tell_at += SLOW_START_SECONDS
        self._was_ready = True

    async def _keep(self) -> None:
        clock = asyncio.get_running_loop().time
        pause = FIRST_PAUSE_SECONDS
        attempts = 0
        while not self._stopping.is_set():
            began = clock()
            status = await self._run()
            if self._stopping.is_set():
                return
            attempts += 1
            if not self._was_ready and attempts == ATTEMPTS_TO_START:
                raise DevError(f"{self.child.name} does not start ({_ending(status)}).{self._last_words()}")
            if clock() - began >= SETTLED_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            if self._was_ready:
                self._say(f"ended ({_ending(status)}); starting it again in {pause:.1f} s")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _run(self) -> int:
        """Run the child once, to its end."""
        try:
            process = await self._spawn()
        except OSError as error:  # no memory, no process, no disk: may pass
            self._say(f"cannot be run: {error.strerror}")
            return os.EX_UNAVAILABLE
        self._process = process
        self._spawned.set()
        if self._stopping.is_set():  # stop() came while the process was being made
            self._signal(self.child.stop)
        if process.stdout:
            await self._forward(process.stdout)
        return await process.wait()

    async def _spawn(self) -> asyncio.subprocess.Process:
        with contextlib.ExitStack() as stack:
            output = (
                stack.enter_context(self.child.log.open("ab")) if self.child.log else asyncio.subprocess.PIPE
            )
            return await asyncio.create_subprocess_exec(
                *self.child.argv,
                env=self.child.env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the supervisor alone, which ends its children in order
                preexec_fn=_end_with_parent(self.child.orphaned),
            )

    async def _forward(self, output: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await output.readline()
            except ValueError:  # longer than the reader's 64 KiB, which it has dropped
                continue
            if not line:
                return
            self._say(line.decode(errors="replace").rstrip())

    def _last_words(self) -> str:
        if not self.child.log:
            return ""
        words = telling_line(self.child.log.read_text(errors="replace"))
        return f" Its last words: {words}" if words else ""

    @property
    def pid(self) -> int | None:
        """The process id of the child that runs now."""
        return self._process.pid if self._process and self._process.returncode is None else None

    def _signal(self, number: signal.Signals) -> None:
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def stop(self, hurry: asyncio.Event | None = None) -> None:
        """End the child and return when it is gone; `hurry`, once set, cuts the waiting short."""
        self._stopping.set()
        if self._kept is None:
            return
        self._signal(self.child.stop)
        hurried = asyncio.create_task((hurry or asyncio.Event()).wait())
        try:
            await asyncio.wait(
                {self._kept, hurried}, timeout=self.child.stop_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if not self._kept.done():
                self._signal(self.child.kill)
                await asyncio.wait({self._kept}, timeout=self.child.stop_seconds)
            if not self._kept.done():
                self._signal(signal.SIGKILL)
                await asyncio.wait({self._kept})
        finally:
            hurried.cancel()
        if not self._kept.cancelled():
            self._kept.exception()  # a start that failed has been told by start()


def telling_line(output: str) -> str:
    """The last line that tells why a program ended, without its date."""
    lines = [line for line in output.splitlines() if line.strip()] or [""]
    telling = [line for line in lines if "FATAL:" in line or "PANIC:" in line] or lines
    return re.sub(r".*(FATAL|PANIC):", "", telling[-1]).strip()


def _ending(status: int) -> str:
    return f"exit code {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"


def _end_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """What a new child does before it becomes the program: ask the kernel to signal it when its parent ends.

    The kernel's own means reaches PostgreSQL and Valkey too, which would not watch a pipe of ours, and works however
    the parent ends. Elsewhere than on Linux there is none: there the next start ends the servers that were left.
    """
    if LIBC is None:
        return None
    parent = os.getpid()
    prctl = LIBC.prctl

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:  # it ended before we could ask
            os._exit(1)

    return ask
