"""The whole system as an operator runs it: `lavori dev`, in a process of its own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[1]
START_SECONDS = 60.0
STOP_SECONDS = 60.0


def until(condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Wait until the condition holds; fail saying `what` was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)


def until_given(call: Callable[[], dict[str, Any]], seconds: float = 30.0) -> dict[str, Any]:
    """Call until it answers, while a part that was killed comes back."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return call()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Dev:
    """A run of `lavori dev` on a data folder; as a context manager it is stopped at the end."""

    def __init__(self, data: Path, port: int | None = None, environ: Mapping[str, str] | None = None) -> None:
        self.data, self.port = data, port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = tempfile.TemporaryFile()  # noqa: SIM115, it lives as long as this object
        ours = {"LAVORI_DATA": str(data), "PORT": str(self.port)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service", "dev"],
            cwd=ROOT,
            env={**os.environ, **ours, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.output.close()

    def said(self) -> str:
        """What it has printed so far."""
        return os.pread(self.output.fileno(), 1_000_000, 0).decode()

    def until_ready(self) -> Self:
        try:
            until(
                lambda: "admin key" in self.said() or self.process.poll() is not None, "start", START_SECONDS
            )
            assert self.process.poll() is None, self.said()
        except BaseException:
            self.__exit__()
            raise
        return self

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Signal its top process as Ctrl-C or a service manager does; return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    @property
    def admin_key(self) -> str:
        found = re.search(r"admin key\s+(\S+)", self.said())
        assert found, self.said()
        return found[1]

    def answers(self) -> bool:
        """Whether /readyz answers 200."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as response:
                return bool(response.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def get(self, path: str) -> dict[str, Any]:
        """What the API answers the admin."""
        return self._ask(urllib.request.Request(self.url + path))

    def post(self, path: str, body: object) -> dict[str, Any]:
        """What the API answers the admin to a JSON body."""
        head = {"Content-Type": "application/json"}
        return self._ask(urllib.request.Request(self.url + path, json.dumps(body).encode(), head))

    def post_text(self, path: str, text: str) -> dict[str, Any]:
        """The same to a body that is JSON already."""
        head = {"Content-Type": "application/json"}
        return self._ask(urllib.request.Request(self.url + path, text.encode(), head))

    def text(self, path: str) -> str:
        """What the API answers the admin, as it came."""
        request = urllib.request.Request(self.url + path)
        request.add_header("Authorization", f"Bearer {self.admin_key}")
        with urllib.request.urlopen(request, timeout=10) as response:
            return str(response.read().decode())

    def delete(self, path: str) -> None:
        """Have the admin delete something."""
        request = urllib.request.Request(self.url + path, method="DELETE")
        request.add_header("Authorization", f"Bearer {self.admin_key}")
        with urllib.request.urlopen(request, timeout=10):
            pass

    def _ask(self, request: urllib.request.Request) -> dict[str, Any]:
        request.add_header("Authorization", f"Bearer {self.admin_key}")
        with urllib.request.urlopen(request, timeout=40) as response:
            answer: dict[str, Any] = json.load(response)
            return answer

    def children(self, mark: str) -> list[int]:
        """The process ids of its children whose command line holds `mark`."""
        return [pid for pid, parent, command in processes() if parent == self.process.pid and mark in command]


def processes() -> list[tuple[int, int, str]]:
    """All processes: id, parent, command line; those that have ended are left out."""
    shown = subprocess.run(
        ["ps", "-axwwo", "pid=,ppid=,stat=,command="], capture_output=True, text=True, check=True
    ).stdout
    rows = (line.split(None, 3) for line in shown.splitlines())
    return [
        (int(row[0]), int(row[1]), row[3]) for row in rows if len(row) == 4 and not row[2].startswith("Z")
    ]


def alive(pids: list[int]) -> list[int]:
    """Those that still run."""
    running = {pid for pid, _, _ in processes()}
    return [pid for pid in pids if pid in running]
