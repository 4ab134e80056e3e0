"""The programs of `make bench` still start and find their figures; what they find is not judged here."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def bench(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words, "--runs", "1", "--seconds", "1", "--forget"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_measure_starts_the_whole_system_and_prints_its_table() -> None:
    assert "| 201 to running, p50, ms |" in bench("latency", "--samples", "5")


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_requests_are_measured_with_wrk() -> None:
    printed = bench("http", "--only", "poll of what")
    assert "| poll of what is known (304), requests/s |" in printed


def test_an_unknown_measure_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "nothing"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "there is no nothing; there are peers, import" in done.stderr
