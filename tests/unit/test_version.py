"""One version, wherever it stands."""

import tomllib
from pathlib import Path

from service.version import VERSION


def test_it_is_that_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
