"""Importing dues over HTTP, with a real worker, its child and PostgreSQL."""

import asyncio
import json
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession

from benchmarks import make_dovuti
from dues import Import, Submit, WorkerProcess, rejected_rows
from running import until
from workers.jobtypes.dovuti import parse
from workers.jobtypes.dovuti.rows import COLUMNS

HEADER = ",".join(COLUMNS)
PAYER = "RCCMNL83S18D969H"


def row(number: int, *, reason: str = "Mensa", amount: str = "10.00") -> str:
    return f"3{number:017},,{amount},{reason},,,,{PAYER},,"


def file(*rows: str) -> str:
    return "\n".join([HEADER, *rows, ""])


def counts(job: dict[str, Any]) -> dict[str, int]:
    assert job["status"] == "finished", job
    found: dict[str, int] = json.loads(job["output"])
    return found


def tally(
    total: int, *, imported: int = 0, updated: int = 0, skipped: int = 0, rejected: int = 0
) -> dict[str, int]:
    return {
        "total": total,
        "imported": imported,
        "updated": updated,
        "skipped": skipped,
        "rejected": rejected,
    }


async def reasons(pool: asyncpg.Pool) -> dict[int, str]:
    rows = await pool.fetch("SELECT notice_number, reason FROM dovuti ORDER BY notice_number")
    return {int(one["notice_number"][1:]): one["reason"] for one in rows}


async def test_good_rows_become_dues_and_bad_ones_a_file(
    api: ClientSession, import_file: Import, pool: asyncpg.Pool
) -> None:
    job = await import_file(
        file(row(1), row(2, amount="x"), row(3, reason='"=1+1, ""a\\b"'), row(4, reason=""))
    )
    assert counts(job) == tally(4, imported=2, rejected=2)
    assert job["running_output"] == "row 4 of 4"
    assert job["response_type"] == "inline"
    assert await reasons(pool) == {1: "Mensa", 3: '=1+1, "a\\b'}
    assert [(one["row"], one["code"], one["amount"]) for one in await rejected_rows(api, job)] == [
        ("2", "bad_amount", "x"),
        ("4", "missing", "10.00"),
    ]


async def test_nothing_rejected_is_no_file(import_file: Import) -> None:
    job = await import_file(file(row(1)))
    assert job["outputs"] == []
    assert job["publish_link"] is None


async def test_the_shipped_example_imports(api: ClientSession, import_file: Import) -> None:
    example = "".join(make_dovuti.lines(200, bad=4))
    job = await import_file(example)
    assert counts(job) == tally(200, imported=196, rejected=4)
    assert len(await rejected_rows(api, job)) == 4


async def test_the_same_file_again_adds_nothing(import_file: Import, pool: asyncpg.Pool) -> None:
    data = file(*map(row, range(100)))
    first = counts(await import_file(data))
    before = await pool.fetch("SELECT *, xmin::text FROM dovuti ORDER BY notice_number")
    assert first == tally(100, imported=100)
    assert counts(await import_file(data)) == tally(100, updated=100)
    assert await pool.fetch("SELECT *, xmin::text FROM dovuti ORDER BY notice_number") == before


@pytest.mark.parametrize(
    ("on_duplicate", "first", "second", "kept"),
    [
        (
            "update",
            tally(4, imported=3, updated=1),
            tally(4, imported=1, updated=3),
            {1: "c", 2: "d", 3: "x", 4: "y"},
        ),
        (
            "skip",
            tally(4, imported=3, skipped=1),
            tally(4, imported=1, skipped=3),
            {1: "a", 2: "b", 3: "d", 4: "y"},
        ),
        (
            "reject",
            tally(4, imported=3, rejected=1),
            tally(4, imported=1, rejected=3),
            {1: "a", 2: "b", 3: "d", 4: "y"},
        ),
    ],
)
async def test_a_due_that_is_there_follows_on_duplicate(
    import_file: Import,
    pool: asyncpg.Pool,
    on_duplicate: str,
    first: dict[str, int],
    second: dict[str, int],
    kept: dict[int, str],
) -> None:
    one = file(row(1, reason="a"), row(2, reason="b"), row(1, reason="c"), row(3, reason="d"))
    two = file(row(2, reason="d"), row(3, reason="x"), row(4, reason="y"), row(2, reason="d"))
    assert counts(await import_file(one, on_duplicate=on_duplicate, validate_only=True)) == first
    assert await reasons(pool) == {}
    assert counts(await import_file(one, on_duplicate=on_duplicate)) == first
    assert counts(await import_file(two, on_duplicate=on_duplicate, validate_only=True)) == second
    assert counts(await import_file(two, on_duplicate=on_duplicate)) == second
    assert await reasons(pool) == kept


async def test_a_notice_number_that_comes_back_much_later_is_the_same_due(
    api: ClientSession, import_file: Import, pool: asyncpg.Pool
) -> None:
    size = 2 * parse.ROWS + 5
    data = file(*map(row, range(size)), row(7, reason="again"), row(size), row(8, reason="again"))
    assert counts(await import_file(data, on_duplicate="reject", validate_only=True)) == tally(
        size + 3, imported=size + 1, rejected=2
    )
    job = await import_file(data, on_duplicate="reject")
    assert counts(job) == tally(size + 3, imported=size + 1, rejected=2)
    assert [(one["row"], one["reason"]) for one in await rejected_rows(api, job)] == [
        (str(size + 1), "again"),
        (str(size + 3), "again"),
    ]
    again = await import_file(data)
    assert counts(again) == tally(size + 3, updated=size + 3)
    assert {number for number, reason in (await reasons(pool)).items() if reason == "again"} == {7, 8}


async def test_dues_of_other_services_and_tenants_are_none_of_its_business(
    api: ClientSession, import_file: Import, pool: asyncpg.Pool
) -> None:
    other = "00000000-0000-0000-0000-000000000001"
    await import_file(file(row(1)))
    assert counts(await import_file(file(row(1)), service_id=other)) == tally(1, imported=1)
    await pool.execute("INSERT INTO tenants (code, name) VALUES ('other', 'Other')")
    await pool.execute("UPDATE dovuti SET tenant_id = (SELECT id FROM tenants WHERE code = 'other')")
    assert counts(await import_file(file(row(1)))) == tally(1, imported=1)


async def test_a_header_alone_is_finished_with_zeros(import_file: Import) -> None:
    job = await import_file(HEADER)
    assert counts(job) == tally(0)
    assert job["running_output"] == "row 0 of 0"


async def test_bad_rows_alone_fail_the_job_and_are_published_all_the_same(
    api: ClientSession, import_file: Import
) -> None:
    job = await import_file(file(row(1, amount="x"), "too,few"))
    assert job["status"] == "failed"
    assert job["error"]["code"] == "no_good_row"
    assert "rejected.csv" in job["output"]
    assert [one["code"] for one in await rejected_rows(api, job)] == ["bad_amount", "cell_count"]


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "no_header", "empty"),
        (b"amount;reason\n1;2\n", "missing_column", "notice_number, payer_tax_identification_number"),
        (f"{HEADER},Amount\n".encode(), "duplicate_column", "amount"),
        (bytes(range(256)) * 1000, "unreadable", "UTF-8"),
        (HEADER.encode("utf-16-le"), "unreadable", "UTF-8"),
    ],
)
async def test_a_file_that_cannot_be_read_fails_with_a_reason(
    import_file: Import, data: bytes, code: str, words: str
) -> None:
    job = await import_file(data)
    assert (job["status"], job["error"]["code"]) == ("failed", code)
    assert words in job["output"]
    assert job["error"]["retryable"] is False


async def test_hostile_rows_are_rejected_and_their_neighbours_imported(
    api: ClientSession, import_file: Import, pool: asyncpg.Pool
) -> None:
    lines = [
        row(1).encode(),
        row(2).replace("Mensa", "Caf\xe9").encode("latin-1"),
        row(3, reason="a\0b").encode(),
        row(4, reason='"open').encode(),
        row(5, reason="x" * (10 << 20)).encode(),
        row(6, reason='"two\nlines\tand \\. more"').encode(),
        b"",
        row(7).encode() + b",extra",
        row(8, reason='"shut"up').encode(),
        row(9, reason="Caf\xe9 \u20ac \U0001f600").encode(),
    ]
    job = await import_file(HEADER.encode() + b"\r\n" + b"\r\n".join(lines))
    assert counts(job) == tally(9, imported=3, rejected=6)
    assert await reasons(pool) == {1: "Mensa", 6: "two\nlines\tand \\. more", 9: "Caf\xe9 \u20ac \U0001f600"}
    assert {one["row"]: one["code"] for one in await rejected_rows(api, job)} == {
        "2": "not_utf8",
        "3": "nul_byte",
        "4": "unclosed_quote",
        "5": "too_long",
        "7": "cell_count",
        "8": "bad_quoting",
    }


async def test_a_whole_file_in_latin_1_has_its_plain_rows_imported(import_file: Import) -> None:
    lines = [row(n, reason="Citt\xe0" if n % 2 else "Mensa") for n in range(10)]
    assert counts(await import_file(file(*lines).encode("latin-1"))) == tally(10, imported=5, rejected=5)


@pytest.mark.parametrize(
    "args", [{"on_duplicate": "drop"}, {"validate_only": "yes"}, {"service_id": "x"}, {"more": 1}]
)
async def test_bad_args_are_refused_with_pointers(api: ClientSession, args: dict[str, Any]) -> None:
    body = {"type": "import_dovuti", "args": {"service_id": "5f0c3c1e-6f0b-4a0e-9f39-1d1b7a6a2a11", **args}}
    body["attachment"] = {"file": "", "name": "a.csv"}
    async with api.post("/api/jobs", json=body) as response:
        problem = await response.json()
    assert response.status == 422
    assert [fault["pointer"] for fault in problem["errors"]] == [f"#/args/{next(iter(args))}"]


async def until_row(api: ClientSession, job_id: str, number: int) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            job = await until(api, job_id, "running", "finished", "failed", seconds=60)
            if job["status"] != "running" or int((job["running_output"] or "row 0").split()[1]) >= number:
                return job
            await asyncio.sleep(0.01)


SIZE = 12 * parse.ROWS + 345


@pytest.mark.parametrize("on_duplicate", ["update", "skip", "reject"])
async def test_a_worker_that_is_killed_in_the_middle_leaves_exactly_the_rows_of_the_file(
    api: ClientSession, submit: Submit, worker_process: WorkerProcess, pool: asyncpg.Pool, on_duplicate: str
) -> None:
    earlier = file(*(row(n, reason="earlier") for n in range(0, SIZE, 3)))
    data = file(*(row(n, amount="x" if n % 1000 == 1 else "10.00") for n in range(SIZE)), row(5))
    there, bad = len(range(0, SIZE, 3)), len(range(1, SIZE, 1000))
    both = len([n for n in range(0, SIZE, 3) if n % 1000 == 1])
    async with worker_process():
        first = await submit(earlier)
        assert counts(await until(api, first["id"], "finished", "failed", seconds=60))["imported"] == there
    made = await submit(data, on_duplicate=on_duplicate)
    for reached in (1, 5 * parse.ROWS):
        async with worker_process() as process:
            assert (await until_row(api, made["id"], reached))["status"] == "running"
            process.kill()
    async with worker_process():
        job = await until(api, made["id"], "finished", "failed", seconds=60)
    stale = there - both + 1
    word = {"update": "updated", "skip": "skipped", "reject": "rejected"}[on_duplicate]
    expected = tally(SIZE + 1, imported=SIZE - there - (bad - both), rejected=bad)
    expected[word] += stale
    assert counts(job) == expected
    assert job["attempt"] == 1
    rows = await rejected_rows(api, job)
    wanted = [n + 1 for n in range(SIZE) if n % 1000 == 1 or (on_duplicate == "reject" and n % 3 == 0)]
    assert [int(one["row"]) for one in rows] == wanted + ([SIZE + 1] if on_duplicate == "reject" else [])
    found = await reasons(pool)
    assert len(found) == SIZE - (bad - both)
    late = sum(reason == "earlier" for reason in found.values())
    assert late == (both if on_duplicate == "update" else there)


async def test_a_rerun_imports_the_same_rows_again(
    api: ClientSession, import_file: Import, pool: asyncpg.Pool
) -> None:
    job = await import_file(file(row(1), row(2, amount="x")), on_duplicate="reject")
    assert counts(job) == tally(2, imported=1, rejected=1)
    async with api.post(f"/api/jobs/{job['id']}/rerun") as response:
        assert response.status == 200
    again = await until(api, job["id"], "finished", "failed")
    assert again["error"]["code"] == "no_good_row"
    assert [one["code"] for one in await rejected_rows(api, again)] == ["duplicate", "bad_amount"]
    assert len(await reasons(pool)) == 1


async def test_a_cancelled_import_stops_within_a_second(
    api: ClientSession, submit: Submit, worker: asyncio.Event
) -> None:
    made = await submit(file(*map(row, range(200_000))))
    await until_row(api, made["id"], 1)
    async with api.post(f"/api/jobs/{made['id']}/cancel") as response:
        assert response.status == 202
    job = await until(api, made["id"], "cancelled", "finished", seconds=5)
    assert job["status"] == "cancelled"


async def test_imports_of_the_same_dues_at_once_end_with_each_due_once(
    api: ClientSession, submit: Submit, worker: asyncio.Event, pool: asyncpg.Pool
) -> None:
    numbers = range(3 * parse.ROWS)
    made = [await submit(file(*map(row, order))) for order in (numbers, reversed(numbers), numbers)]
    found = [counts(await until(api, one["id"], "finished", "failed", seconds=60)) for one in made]
    assert sum(one["imported"] for one in found) == len(numbers)
    assert sum(one["updated"] for one in found) == 2 * len(numbers)
    assert await pool.fetchval("SELECT count(*) FROM dovuti") == len(numbers)
