"""The words of all dialects, as they were agreed on: each has one for every status."""

from importlib import import_module

import pytest

from service.app import DIALECTS
from service.jobs.states import Status
from views_of_dialects import VIEWS

NAMES = ("opencity", "aims360", "alteryx", "conscia", "dataone")
TABLE = """
| pending   | pending   | Queued     | Queued / None       | STARTED   | SUBMITTED |
| suspended | pending   | Queued     | Queued / None       | STARTED   | SUSPENDED |
| running   | running   | Inprogress | Running / None      | STARTED   | RUNNING   |
| finished  | finished  | Completed  | Completed / Success | COMPLETED | COMPLETED |
| failed    | failed    | Failed     | Completed / Error   | FAILED    | ERROR     |
| cancelled | cancelled | Failed     | Cancelled / None    | FAILED    | ABORTED   |
"""
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLE.strip().splitlines()]
WORDS = {name: {Status(row[0]): row[column] for row in ROWS} for column, name in enumerate(NAMES, start=1)}


def test_the_table_is_total() -> None:
    assert [row[0] for row in ROWS] == list(Status)
    assert {dialect.name for dialect in DIALECTS} == set(NAMES)


@pytest.mark.parametrize("name", [dialect.name for dialect in DIALECTS])
def test_a_dialect_has_the_words_of_the_table(name: str) -> None:
    wire = import_module(f"service.dialects.{name}.wire")
    assert getattr(VIEWS[name], "words", None) == wire.WORDS
    told = wire.WORDS
    if name == "alteryx":
        assert wire.DISPOSITIONS.keys() == wire.WORDS.keys()
        told = {status: f"{word} / {wire.DISPOSITIONS[status]}" for status, word in wire.WORDS.items()}
    assert told == WORDS[name]
