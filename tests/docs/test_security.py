"""docs/security.md names tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_the_page_names_is_there() -> None:
    rows = [line for line in (ROOT / "docs/security.md").read_text().splitlines() if "`test_" in line]
    named = [set(re.findall(r"`(test_\w+)`", row)) for row in rows]
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert len(named) >= 18
    assert set().union(*named) - there == set()
