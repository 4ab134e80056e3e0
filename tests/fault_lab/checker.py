"""The one checker of the invariants I1 to I10: pure, so that it can be shown broken histories itself."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from fault_lab.seen import TERMINAL, Change, Effect, History, Ledger


class Breach(NamedTuple):
    """An invariant that does not hold, and where."""

    invariant: str
    told: str


def breaches(history: History, effects: Sequence[Effect], ledger: Ledger) -> list[Breach]:
    """Everything that is wrong, by all invariants; nothing where all hold."""
    found: list[Breach] = []
    for invariant, told in (
        ("I1", _submits_without_a_row(history, ledger)),
        ("I2", _keys_of_several_jobs(history, ledger)),
        ("I3", _runs_that_ended_twice(ledger)),
        ("I4", _double_commits(effects, ledger)),
        ("I5", _stuck(ledger)),
        ("I6", _steps_back_and_gaps(ledger)),
        ("I7", _seen_by_others(history, ledger)),
        ("I8", _double_fires(ledger)),
        ("I9", _notices_without_an_end(ledger)),
        ("I10", _rows_and_blobs_apart(ledger)),
    ):
        found += [Breach(invariant, text) for text in told]
    return found


def _submits_without_a_row(history: History, ledger: Ledger) -> Iterator[str]:
    there = {job.id for job in ledger.jobs}
    for submit in history.submits():
        for job_id in submit.job_ids:
            if job_id not in there:
                yield f"{submit.status} for {job_id}, which is not there"


def _keys_of_several_jobs(history: History, ledger: Ledger) -> Iterator[str]:
    told: defaultdict[tuple[int, str], set[UUID]] = defaultdict(set)
    for submit in history.submits():
        if submit.key is not None:
            told[submit.tenant, submit.key].update(submit.job_ids)
    for job in ledger.jobs:
        if job.key is not None:
            told[job.tenant, job.key].add(job.id)
    for (_, key), ids in told.items():
        if len(ids) > 1:
            yield f"key {key} stands for {sorted(map(str, ids))}"


def _runs_that_ended_twice(ledger: Ledger) -> Iterator[str]:
    ends = Counter(
        (change.job_id, change.run)
        for change in ledger.changes
        if change.after in TERMINAL and change.before not in TERMINAL
    )
    yield from (f"{job} ended {count} times in run {run}" for (job, run), count in ends.items() if count > 1)
    for one, after in _pairs(ledger.changes):
        if one.after in TERMINAL and after.after != one.after and after.run == one.run:
            yield f"{one.job_id} went on from {one.after} to {after.after} without a rerun"
    ended = {(change.job_id, change.run) for change in ledger.changes if change.after in TERMINAL}
    for job in ledger.jobs:
        if job.status in TERMINAL and ledger.changes and (job.id, job.run) not in ended:
            yield f"{job.id} is {job.status}, and nobody saw it end"


def _double_commits(effects: Sequence[Effect], ledger: Ledger) -> Iterator[str]:
    told = Counter((one.job_id, one.run, one.step) for one in effects if one.what == "commits")
    yield from (f"{job} told of step {step} {n} times" for (job, _, step), n in told.items() if n > 1)
    done = Counter(ledger.commits)
    yield from (f"{job} committed step {step} {n} times" for (job, _, step), n in done.items() if n > 1)
    yield from (f"{key[0]} told of step {key[2]}, which is not there" for key in told if key not in done)
    finished = Counter(ledger.finished_claims)
    yield from (f"{job} finished {n} times in run {run}" for (job, run), n in finished.items() if n > 1)


def _stuck(ledger: Ledger) -> Iterator[str]:
    yield from (f"{job} runs with a lease that is long over" for job in ledger.late)
    yield from (f"{job} waits while slots are free" for job in ledger.idle)


def _steps_back_and_gaps(ledger: Ledger) -> Iterator[str]:
    numbers: defaultdict[UUID, list[int]] = defaultdict(list)
    for change in ledger.changes:
        numbers[change.job_id].append(change.version)
    for one, after in _pairs(ledger.changes):
        if (one.run, one.claim, one.after) == (
            after.run,
            after.claim,
            "running",
        ) and after.percent < one.percent:
            yield f"{one.job_id} fell from {one.percent} to {after.percent} % in claim {one.claim}"
        if after.version <= one.version:
            yield f"{one.job_id} went from version {one.version} to {after.version}"
    for job_id, number in ledger.messages:
        numbers[job_id].append(number)
    for job in ledger.jobs:
        if ledger.changes and sorted(numbers[job.id]) != list(range(1, job.version + 1)):
            yield f"{job.id} has events {sorted(numbers[job.id])} and version {job.version}"


def _seen_by_others(history: History, ledger: Ledger) -> Iterator[str]:
    owner = {job.id: job.tenant for job in ledger.jobs}
    for one in history.answers:
        for job_id in one.job_ids:
            if owner.get(job_id, one.tenant) != one.tenant:
                yield f"{one.what} of tenant {one.tenant} was shown {job_id} of tenant {owner[job_id]}"


def _double_fires(ledger: Ledger) -> Iterator[str]:
    times = Counter((definition, at) for definition, at, _ in ledger.fires)
    yield from (f"{at} of {definition} fired {n} times" for (definition, at), n in times.items() if n > 1)
    made = {job for _, _, job in ledger.fires if job is not None}
    there = set(ledger.fired_jobs)
    yield from (f"{job} was made for no fire" for job in there - made)
    yield from (f"{job} of a fire is not there" for job in made - there)


def _notices_without_an_end(ledger: Ledger) -> Iterator[str]:
    yield from (
        f"{notice} is {state}" for notice, state in ledger.notices if state not in ("delivered", "dead")
    )
    yield from (f"{job} has ended, and nobody is owed its notice" for job in ledger.unowed)


def _rows_and_blobs_apart(ledger: Ledger) -> Iterator[str]:
    yield from (f"{key} has a row and no bytes" for key in ledger.missing_blobs)
    yield from (f"{key} has bytes and no row" for key in ledger.stray_blobs)


def _pairs(changes: Iterable[Change]) -> Iterator[tuple[Change, Change]]:
    """Each change of a job with the next one of the same job."""
    last: dict[UUID, Change] = {}
    for change in changes:
        if change.job_id in last:
            yield last[change.job_id], change
        last[change.job_id] = change
