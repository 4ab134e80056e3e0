"""docs/cli.md and the command line agree, and no page names a command or an option that is not there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from service.cli.main import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
HELP = {"-h", "--help"}  # click's own, of every command


def commands(group: Any, *path: str) -> Iterator[tuple[str, set[str]]]:
    """All commands below, in full, and their options."""
    if hasattr(group, "commands"):
        for name, command in group.commands.items():
            yield from commands(command, *path, name)
    else:
        words = {word for one in group.params for word in (*one.opts, *one.secondary_opts)}
        yield " ".join(path), {word for word in words if word.startswith("-")}


COMMANDS = dict(commands(typer.main.get_command(app)))
GROUPS = {name.rpartition(" ")[0] for name in COMMANDS} - {""}


def test_every_command_is_told_with_its_options_and_no_other() -> None:
    table = PAGE.partition("| command | its own options |")[2].partition("\n\n")[0]
    told = {
        name: set(re.findall(r"`(-[^`]*)`", options))
        for name, options in re.findall(r"^\| `lavori ([^`]*)` \|(.*)\|$", table, re.MULTILINE)
    }
    shared = told.pop("COMMAND")
    assert shared == {"-o", "--output", "-p", "--profile", "--url"}
    there = {name: options - shared if shared <= options else options for name, options in COMMANDS.items()}
    assert told == there
    assert not any(options & shared for options in there.values()), "some of what is for all"


@pytest.mark.parametrize(
    "path",
    [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))],
    ids=lambda one: str(one.relative_to(ROOT)),
)
def test_a_command_that_is_named_exists_and_has_these_options(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    code = re.findall(r"^```\w*\n(.*?)^```|`([^`\n]+)`", text, re.DOTALL | re.MULTILINE)
    for part in ("".join(both).replace("\\\n", " ") for both in code):
        for words in re.findall(r"(?:^|[\s(])lavori ([a-z][a-z-]*\b[^\n|>()#;]*)", part):
            first, *rest = words.split()
            name = f"{first} {rest[0]}" if first in GROUPS and rest else first
            if name in GROUPS:
                continue
            assert name in COMMANDS, f"{path.name}: lavori {words}"
            options = {word.partition("=")[0] for word in rest if re.fullmatch(r"--?[a-zA-Z].*", word)}
            assert options <= COMMANDS[name] | HELP, f"{path.name}: lavori {words}"


def test_an_option_that_is_named_by_itself_is_one_of_some_command() -> None:
    named = set(re.findall(r"`(--?[a-zA-Z][a-zA-Z-]*)[ =`]", PAGE))
    assert len(named) > 30
    assert named <= set().union(*COMMANDS.values()) | HELP
