"""The mark `fault`: which fault of the table a test makes, at which size, and what came of it, for docs/faults.md.

`@pytest.mark.fault("F01", "{kills} kills during {jobs} jobs", kills=(10, 100), jobs=(500, 10_000))` gives the test its
arguments `kills` and `jobs`: the first of each pair, or the second where LAVORI_FAULTS says full. A test that is the
same at both sizes names no pairs. With LAVORI_FAULTS_REPORT, the results are written into that file's table.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

BEGINS, ENDS = "<!-- results begin -->", "<!-- results end -->"
HEAD = "| # | what was done | size | result | seconds |\n|---|---|---|---|---|\n"
RESULTS: dict[tuple[str, str], tuple[str, str, float]] = {}
SIZE = 1 if os.environ.get("LAVORI_FAULTS") == "full" else 0


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test its sizes."""
    for mark in metafunc.definition.iter_markers("fault"):
        for name, sizes in mark.kwargs.items():
            metafunc.parametrize(name, [sizes[SIZE]])


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Note what came of a test that makes a fault; of several cases of one test, the worst counts."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    for mark in item.iter_markers("fault"):
        sizes = {name: pair[SIZE] for name, pair in mark.kwargs.items()}
        what = mark.args[1].format(**{name: f"{size:,}" for name, size in sizes.items()})
        size = ("full" if SIZE else "small") if sizes else "one size"
        before = RESULTS.get((mark.args[0], what), (size, "passed", 0.0))
        told = before[1]
        if report.skipped:
            told = "not run: " + str(report.longrepr[2]).removeprefix("Skipped: ")
        elif report.failed:
            told = "FAILED"
        RESULTS[mark.args[0], what] = size, told, before[2] + report.duration


def pytest_sessionfinish() -> None:
    """Write the table: rows of tests that were not run now stay as they are."""
    if (path := os.environ.get("LAVORI_FAULTS_REPORT")) and RESULTS:
        page = Path(path)
        before, _, rest = page.read_text().partition(BEGINS)
        table, _, after = rest.partition(ENDS)
        page.write_text(f"{before}{BEGINS}\n{merged(table)}{ENDS}{after}")


def merged(table: str) -> str:
    """The table with the results of this run in it."""
    rows = {}
    for line in table.splitlines():
        if re.match(r"\| [A-Z]", line):
            number, what, *_ = (cell.strip() for cell in line.strip("|").split(" | "))
            rows[number, _plain(what)] = line
    for (number, what), (size, told, seconds) in RESULTS.items():
        rows[number, _plain(what)] = f"| {number} | {what} | {size} | {told} | {seconds:.1f} |"
    return HEAD + "".join(f"{rows[key]}\n" for key in sorted(rows))


def _plain(what: str) -> str:
    """What was done whatever its size, so that a full run takes the place of a small one."""
    return re.sub(r"[0-9,]+", "#", what)
