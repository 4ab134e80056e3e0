"""What is seen of a job while one waits for it: a bar on a terminal, lines elsewhere. All of it goes to stderr."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Protocol, Self

from service.cli.client.command import say
from service.cli.client.harmless import one_line

OnBytes = Callable[[int], None]
STEP = 10  # percent, between two lines
REFRESHES = 8  # a second


class Progress(Protocol):
    """Shows jobs as they change."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None: ...

    def job(self, job: Mapping[str, Any]) -> None:
        """Show what has become of it."""


def progress_of(*, quiet: bool) -> Progress:
    """The way of showing that fits stderr."""
    if quiet:
        return _Nothing()
    return _Bar() if _is_terminal() else _Lines()


def _is_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def words_of(job: Mapping[str, Any]) -> str:
    """One job and how it does, in a line."""
    said = one_line(str(job["running_output"] or ""))
    percent = f" {job['percent_completed']}%" if job["status"] == "running" else ""
    return f"#{job['number']} {one_line(job['type'])} {job['status']}{percent}{f': {said}' if said else ''}"


class _Nothing:
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def job(self, job: Mapping[str, Any]) -> None:
        pass


class _Lines(_Nothing):
    """A line for each status, and for each step on the way: enough for a log."""

    def __init__(self) -> None:
        self._told: tuple[str, int] = ("", 0)

    def job(self, job: Mapping[str, Any]) -> None:
        now = (job["status"], job["percent_completed"] // STEP)
        if now[0] != self._told[0] or (now[0] == "running" and now[1] > self._told[1]):
            self._told = now
            say(words_of(job))


class _Bar:
    """A bar that is gone when the job is at its end; a line stays."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415, takes long to load
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f}%", markup=False),
            TimeElapsedColumn(),
            TextColumn("{task.fields[said]}", markup=False),
            console=Console(stderr=True, highlight=False),
            transient=True,
            refresh_per_second=REFRESHES,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("", total=100, said="")
        self._last: Mapping[str, Any] | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        self._bar.refresh()
        self._bar.stop()
        if error is None and self._last is not None:
            say(words_of(self._last))

    def job(self, job: Mapping[str, Any]) -> None:
        self._last = job
        self._bar.update(
            self._task,
            completed=job["percent_completed"],
            description=f"#{job['number']} {one_line(job['type'])} {job['status']}",
            said=one_line(str(job["running_output"] or "")),
        )


@contextmanager
def bytes_shown(what: str, total: int | None, *, begun: int = 0, quiet: bool = False) -> Iterator[OnBytes]:
    """A bar for bytes that go over the network, on a terminal; nothing elsewhere."""
    if quiet or not _is_terminal():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415, takes long to load
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn  # noqa: PLC0415

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=Console(stderr=True, highlight=False),
        transient=True,
        refresh_per_second=REFRESHES,
    )
    task = bar.add_task(one_line(what), total=total, completed=begun)
    with bar:
        yield lambda count: bar.advance(task, count)
