"""The state machine is stated once; what else speaks of it says the same.

tests/integration/engine/test_moves.py holds the SQL guards against it.
"""

import re
from pathlib import Path

import pytest

from service.jobs.states import PRIORITIES, TERMINAL, TRANSITIONS, Priority, Status, came_from

ROOT = Path(__file__).parents[2]
SCHEMA = (ROOT / "schema.sql").read_text()
DIAGRAM = ROOT / "docs" / "architecture.md"


def test_the_check_in_the_schema_names_the_same_states() -> None:
    check = re.search(r"CHECK \(status IN \(([^)]*)\)\)", SCHEMA)
    assert check
    assert set(re.findall(r"'(\w+)'", check[1])) == set(Status)


def test_the_schema_names_the_same_terminal_states() -> None:
    check = re.search(r"terminal_has_an_end CHECK \(\(status IN \(([^)]*)\)\)", SCHEMA)
    assert check
    assert set(re.findall(r"'(\w+)'", check[1])) == TERMINAL


def test_the_schema_takes_as_many_priorities_as_there_are() -> None:
    for low, high in re.findall(r"priority BETWEEN (\d) AND (\d)", SCHEMA):
        assert (int(low), int(high)) == (0, len(PRIORITIES) - 1)
    assert PRIORITIES == (Priority.LOW, Priority.DEFAULT, Priority.MEDIUM, Priority.HIGH, Priority.CRITICAL)


@pytest.mark.skipif(not DIAGRAM.exists(), reason="the docs belong to a checkout")
def test_the_diagram_in_the_docs_shows_the_same_transitions() -> None:
    drawn = re.search(r"```mermaid\s+stateDiagram-v2(.*?)```", DIAGRAM.read_text(), re.DOTALL)
    assert drawn
    arrows = set(re.findall(r"^\s*(\w+)\s*-->\s*(\w+)", drawn[1], re.MULTILINE))
    assert arrows == {(str(start), str(end)) for start, ends in TRANSITIONS.items() for end in ends}


def test_only_a_rerun_leads_out_of_a_terminal_state() -> None:
    for status in TERMINAL:
        assert TRANSITIONS[status] == {Status.PENDING}


def test_every_state_can_be_reached_and_left() -> None:
    for status in Status:
        assert TRANSITIONS[status]
        assert came_from(status)


def test_came_from_is_the_reverse() -> None:
    assert set(came_from(Status.CANCELLED)) == {Status.PENDING, Status.SUSPENDED, Status.RUNNING}
    assert came_from(Status.RUNNING) == (Status.PENDING,)
