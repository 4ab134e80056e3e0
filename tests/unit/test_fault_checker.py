"""The checker of the invariants, shown broken histories: each invariant is reported, and a sound history is not."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from fault_lab.checker import breaches
from fault_lab.seen import Answered, Change, Effect, History, JobRow, Ledger

A, B = UUID(int=1), UUID(int=2)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HISTORY = History([Answered(1, "submit", 201, 0.1, "a", (A,)), Answered(1, "submit", 200, 0.1, "a", (A,))])
EFFECTS = [Effect(A, 1, 1, "begins", 0), Effect(A, 1, 1, "commits", 0), Effect(A, 1, 1, "ends", 0)]
MADE = Change(A, 1, 0, None, "pending", 0, 1)
CLAIMED = Change(A, 1, 1, "pending", "running", 0, 2)
HALF = Change(A, 1, 1, "running", "running", 50, 4)  # with message 3
FINISHED = Change(A, 1, 1, "running", "finished", 100, 5)
SOUND = Ledger(
    jobs=[JobRow(A, 1, "a", "finished", 1, 1, 5)],
    changes=[MADE, CLAIMED, HALF, FINISHED],
    messages=[(A, 3)],
    finished_claims=[(A, 1)],
    commits=[(A, 1, 0)],
    fires=[(B, NOON, A), (B, datetime(2026, 1, 1, 13, tzinfo=UTC), None)],
    fired_jobs=[A],
    notices=[(B, "delivered"), (A, "dead")],
)
OTHER = JobRow(B, 2, None, "pending", 1, 0, 1)


def told(ledger: Ledger = SOUND, history: History = HISTORY, effects: list[Effect] = EFFECTS) -> set[str]:
    return {breach.invariant for breach in breaches(history, effects, ledger)}


def changed(**facts: Any) -> Ledger:
    return replace(SOUND, **facts)


def test_a_sound_history_breaks_nothing() -> None:
    assert told() == set()


@pytest.mark.parametrize(
    ("invariant", "ledger"),
    [
        ("I1", replace(SOUND, jobs=[], fired_jobs=[A])),
        ("I2", changed(jobs=[*SOUND.jobs, JobRow(B, 1, "a", "pending", 1, 0, 0)])),
        ("I3", changed(changes=[MADE, CLAIMED, HALF, replace(CLAIMED, after="failed", version=4), FINISHED])),
        (
            "I3",
            changed(changes=[MADE, CLAIMED, HALF, FINISHED, replace(FINISHED, after="pending", version=6)]),
        ),
        ("I3", changed(changes=[MADE, CLAIMED, HALF, replace(HALF, version=5)])),
        ("I4", changed(finished_claims=[(A, 1), (A, 1)])),
        ("I4", changed(commits=[(A, 1, 0), (A, 1, 0)])),
        ("I4", changed(commits=[])),
        ("I5", changed(late=[A])),
        ("I5", changed(idle=[A])),
        ("I6", changed(changes=[MADE, CLAIMED, HALF, replace(HALF, percent=49, version=5), FINISHED])),
        ("I6", changed(messages=[])),
        ("I6", changed(messages=[(A, 3), (A, 4)])),
        (
            "I6",
            changed(changes=[MADE, CLAIMED, replace(HALF, version=3), replace(HALF, version=3), FINISHED]),
        ),
        ("I8", changed(fires=[*SOUND.fires, (B, NOON, None)])),
        ("I8", changed(fired_jobs=[A, B])),
        ("I8", changed(fired_jobs=[])),
        ("I9", changed(notices=[(B, "pending")])),
        ("I9", changed(unowed=[A])),
        ("I10", changed(missing_blobs=["x"])),
        ("I10", changed(stray_blobs=["x"])),
    ],
)
def test_each_invariant_is_reported_from_the_ledger(invariant: str, ledger: Ledger) -> None:
    assert invariant in told(ledger)


def test_a_rerun_leads_out_of_an_end_and_progress_begins_anew() -> None:
    rerun = Change(A, 2, 1, "finished", "pending", 0, 6)
    claimed = Change(A, 2, 2, "pending", "running", 0, 7)
    failed = Change(A, 2, 2, "running", "failed", 0, 8)
    jobs = [JobRow(A, 1, "a", "failed", 2, 2, 8)]
    assert told(changed(jobs=jobs, changes=[*SOUND.changes, rerun, claimed, failed])) == set()


def test_what_clients_were_told_counts() -> None:
    answers = HISTORY.answers
    both = changed(jobs=[*SOUND.jobs, replace(OTHER, version=0)])
    assert told(history=History([*answers, Answered(1, "submit", 201, 0.1, "b", (B,))])) == {"I1"}
    assert told(both, History([*answers, Answered(2, "submit", 201, 0.1, "a", (B,))])) == set()
    assert told(both, History([*answers, Answered(1, "list", 200, 0.1, None, (A, B))])) == {"I7"}
    assert told(changed(jobs=[*SOUND.jobs, replace(OTHER, tenant=1, version=0)]),
                History([*answers, Answered(1, "submit", 200, 0.1, "a", (B,))])) == {"I2"}  # fmt: skip


def test_the_effect_log_counts() -> None:
    assert told(effects=[*EFFECTS, Effect(A, 1, 2, "commits", 0)]) == {"I4"}
    assert told(effects=[*EFFECTS, Effect(A, 1, 2, "begins", 0)]) == set(), "to begin twice is allowed"
