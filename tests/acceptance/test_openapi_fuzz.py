"""Schemathesis plays every operation of the document against the running system, with a fixed seed and budget."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev_run import Dev

TESTS = Path(__file__).parents[1]
# A stream of all jobs has no end; a key that is revoked or rotated may be the one that all this is done with.
ENDLESS, OF_KEYS = ("stream_jobs",), ("delete_key", "rotate_key")
SECONDS = 240  # what a busy machine may take; a calm one takes a fifth


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """A system of its own, which these tests fill with nonsense."""
    environ = {"LAVORI_DRAIN_SECONDS": "1", "LAVORI_CANCEL_GRACE_SECONDS": "1"}
    with Dev(tmp_path_factory.mktemp("fuzzed"), environ=environ).until_ready() as running:
        yield running


def fuzz(dev: Dev, folder: Path, *arguments: str) -> int:
    """Run it; give the number of cases, of which every one must pass."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(TESTS / "fuzz.toml")),
        *("run", f"{dev.url}/api/openapi.json", "--header", f"Authorization: Bearer {dev.admin_key}"),
        *("--seed", "1", "--no-color", "--warnings", "off", "--request-timeout", "10", *arguments),
    ]
    environ = {**os.environ, "SCHEMATHESIS_HOOKS": str(TESTS / "fuzz_hooks.py")}
    ran = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr
    found = re.search(r"(\d+) generated, \1 passed", ran.stdout)
    assert found, ran.stdout[-5_000:]
    return int(found[1])


def test_whatever_is_sent_is_answered_as_the_document_says(dev: Dev, tmp_path: Path) -> None:
    left_out = [word for name in (*ENDLESS, *OF_KEYS) for word in ("--exclude-operation-id", name)]
    assert fuzz(dev, tmp_path, "--max-examples", "4", *left_out) > 1_000


def test_whatever_is_sent_about_keys_is_answered_as_the_document_says(dev: Dev, tmp_path: Path) -> None:
    put_in = [word for name in OF_KEYS for word in ("--include-operation-id", name)]
    assert fuzz(dev, tmp_path, "--max-examples", "20", "--phases", "examples,coverage,fuzzing", *put_in) > 20
