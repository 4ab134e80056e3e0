"""Reports of dues: what comes out, read by other libraries, is what the database holds."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import openpyxl
import pyarrow.parquet as pq
import pytest
from aiohttp import ClientSession

from dues import SERVICE
from running import running_worker, until
from service.jobs.jobtype import JobTypes
from service.settings import Settings
from workers.jobtypes import export_dovuti as module
from workers.jobtypes.export_dovuti import export_dovuti

Export = Callable[..., Awaitable[dict[str, Any]]]
OTHER_SERVICE = "11111111-2222-4333-8444-555555555555"
TODAY = datetime.now(UTC).date()
INSERT = """
INSERT INTO dovuti
SELECT $1, $2::uuid, lpad(n::text, 18, '3'), lpad(n::text, 17, '0'), amount, reason, created_at, expire_at, 'F',
       'RSSMRA80A01H501U', name, NULL, gen_random_uuid()
FROM unnest($3::int[], $4::numeric[], $5::text[], $6::date[], $7::date[], $8::text[])
  AS due(n, amount, reason, created_at, expire_at, name)
"""
DUES = [
    (1, Decimal("120.50"), "Mensa, novembre", date(2026, 1, 1), TODAY - timedelta(days=1), "Mario Rossi"),
    (2, Decimal("0.01"), '=cmd|"/c calc"!A1', date(2026, 1, 2), TODAY, 'Anna "A" Bianchi'),
    (3, Decimal("999999999999.99"), "due\nrighe\r\nà €", date(2026, 2, 1), TODAY + timedelta(days=9), ""),
    (4, Decimal("7.00"), "\\N", date(2026, 3, 1), date(9999, 12, 30), None),
]
NAMES = [
    "service_id", "notice_number", "iuv", "amount", "reason", "created_at", "expire_at", "status", "payer_type",
    "payer_tax_identification_number", "payer_name", "payer_email",
]  # fmt: skip


@pytest.fixture
def job_types() -> JobTypes:
    return JobTypes([export_dovuti])


async def insert(pool: asyncpg.Pool, tenant_id: int, service_id: str, dues: list[Any]) -> None:
    await pool.execute(INSERT, tenant_id, service_id, *map(list, zip(*dues, strict=True)))


@pytest.fixture
async def export(
    api: ClientSession, environ: dict[str, str], job_types: JobTypes, pool: asyncpg.Pool
) -> AsyncIterator[Export]:
    """Submit an export and wait for its end; the dues are there, among others."""
    await insert(pool, 1, SERVICE, DUES)
    await insert(pool, 1, OTHER_SERVICE, DUES[:1])
    tenant = await pool.fetchval("INSERT INTO tenants (code, name) VALUES ('b', 'B') RETURNING id")
    await insert(pool, tenant, SERVICE, [(9, Decimal(1), "not ours", TODAY, TODAY, None)])

    async def call(**args: Any) -> dict[str, Any]:
        body = {"type": "export_dovuti", "args": {"service_id": SERVICE, **args}}
        async with api.post("/api/jobs", json=body) as response:
            made = await response.json()
            assert response.status == 201, made
        return await until(api, made["id"], "finished", "failed", seconds=30)

    async with running_worker(Settings.from_environ(environ), job_types):
        yield call


async def content(api: ClientSession, job: dict[str, Any], wanted: str | None = None) -> bytes:
    """The bytes of the job's one output, in a format of its."""
    (output,) = job["outputs"]
    query = {"format": wanted} if wanted else {}
    async with api.get(f"/api/jobs/{job['id']}/outputs/{output['id']}/content", params=query) as response:
        assert response.status == 200, await response.text()
        return await response.read()


def rows_of(data: bytes, wanted: str) -> list[dict[str, Any]]:
    """The rows of a file, by a library that has not written it where there is one."""
    match wanted:
        case "csv":
            return list(csv.DictReader(io.StringIO(data.decode(), newline="")))
        case "json":
            return list(json.loads(data, parse_float=Decimal))
        case "parquet":
            return list(pq.read_table(io.BytesIO(data)).to_pylist())
    sheet = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]
    names, *rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    return [dict(zip(map(str, names), row, strict=True)) for row in rows]


def shown(value: Any) -> Any:
    """A date as ISO text, however a format has it."""
    return value.isoformat()[:10] if isinstance(value, date) else value


@pytest.mark.parametrize("wanted", ["csv", "xlsx", "json", "parquet"])
async def test_a_report_holds_exactly_the_dues_of_the_service(
    api: ClientSession, export: Export, wanted: str
) -> None:
    ended = await export(format=wanted)
    assert ended["status"] == "finished", ended
    assert (ended["response_type"], ended["running_output"]) == ("publish_link", "row 4 of 4")
    (output,) = ended["outputs"]
    assert output["name"] == f"dovuti.{wanted}"
    assert output["available_formats"] == ["csv", "xlsx", "json", "parquet"]
    rows = rows_of(await content(api, ended), wanted)
    assert list(rows[0]) == NAMES
    assert [row["notice_number"] for row in rows] == [str(n).rjust(18, "3") for n, *_ in DUES]
    amounts = [row["amount"] for row in rows]
    assert [Decimal(str(amount)) for amount in amounts] == [amount for _, amount, *_ in DUES]
    kinds: dict[str, set[type]] = {
        "csv": {str},
        "xlsx": {int, float},
        "json": {Decimal},
        "parquet": {Decimal},
    }
    assert {type(amount) for amount in amounts} <= kinds[wanted]
    guarded = "'" if wanted in ("csv", "xlsx") else ""
    assert rows[1]["reason"] == guarded + DUES[1][2]
    assert rows[2]["reason"].replace("\r", "") == "due\nrighe\nà €"
    assert rows[3]["reason"] == "\\N"
    assert [shown(row["created_at"]) for row in rows] == [
        "2026-01-01",
        "2026-01-02",
        "2026-02-01",
        "2026-03-01",
    ]
    assert shown(rows[3]["expire_at"]) == "9999-12-30"
    assert [row["status"] for row in rows] == ["expired", "open", "open", "open"]
    assert rows[0]["payer_name"] == "Mario Rossi"
    assert (rows[2]["payer_name"] or "", rows[3]["payer_name"] or "") == ("", "")


async def test_a_report_can_be_had_in_its_other_formats(api: ClientSession, export: Export) -> None:
    ended = await export(format="parquet")
    for wanted in ("csv", "json", "xlsx"):
        rows = rows_of(await content(api, ended, wanted), wanted)
        assert [Decimal(str(row["amount"])) for row in rows] == [amount for _, amount, *_ in DUES]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"created_from": "2026-01-02"}, [2, 3, 4]),
        ({"created_to": "2026-01-02"}, [1, 2]),
        ({"created_from": "2026-01-02", "created_to": "2026-02-01"}, [2, 3]),
        ({"created_from": "2026-01-02T00:00:00Z", "created_to": "2026-02-01T23:59:59.999+00:00"}, [2, 3]),
        ({"created_from": None, "created_to": None, "status": None}, [1, 2, 3, 4]),
        ({"status": "open"}, [2, 3, 4]),
        ({"status": "expired"}, [1]),
        ({"status": "expired", "created_from": "2026-01-02"}, []),
        ({"service_id": "99999999-2222-4333-8444-555555555555"}, []),
    ],
)
async def test_the_filters_choose_and_their_bounds_are_inclusive(
    api: ClientSession, export: Export, filters: dict[str, Any], found: list[int]
) -> None:
    ended = await export(format="csv", **filters)
    data = await content(api, ended)
    assert [int(row["notice_number"].lstrip("3") or 3) for row in rows_of(data, "csv")] == found
    assert data.decode().splitlines()[0] == ",".join(f'"{name}"' for name in NAMES)


@pytest.mark.parametrize("wanted", ["csv", "xlsx", "json", "parquet"])
async def test_a_report_without_dues_is_a_file_all_the_same(
    api: ClientSession, export: Export, wanted: str
) -> None:
    ended = await export(format=wanted, created_to="1990-01-01")
    assert (ended["status"], ended["running_output"]) == ("finished", "row 0 of 0")
    assert rows_of(await content(api, ended), wanted) == []


@pytest.mark.parametrize(
    ("args", "pointers"),
    [
        ({}, {"#/args/service_id", "#/args/format"}),
        ({"service_id": "x", "format": "pdf", "status": "paid"},
         {"#/args/service_id", "#/args/format", "#/args/status"}),
        ({"service_id": SERVICE, "format": "csv", "created_from": "01-02-2026", "created_to": "2026-02-30T00:00:00Z",
          "other": 1}, {"#/args/created_from", "#/args/created_to", "#/args/other"}),
    ],
)  # fmt: skip
async def test_wrong_args_are_refused_all_at_once(
    api: ClientSession, args: dict[str, Any], pointers: set[str]
) -> None:
    async with api.post("/api/jobs", json={"type": "export_dovuti", "args": args}) as response:
        problem = await response.json()
    assert (response.status, {one["pointer"] for one in problem["errors"]}) == (422, pointers)


async def test_more_rows_than_a_sheet_holds_fail_the_job_before_it_is_written(
    export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ROWS_OF_A_SHEET", 3)
    ended = await export(format="xlsx")
    assert (ended["status"], ended["error"]["code"], ended["error"]["retryable"]) == (
        "failed",
        "too_large",
        False,
    )
    assert ended["output"].endswith("The report has 4.")
    assert (await export(format="csv"))["status"] == "finished"


async def test_no_connection_is_held_and_no_file_is_left_when_it_is_over(
    export: Export,
    pool: asyncpg.Pool,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path_factory.mktemp("work")
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    await asyncio.gather(*(export(format="json") for _ in range(6)))
    assert list(Path(folder).iterdir()) == []
    busy = (
        "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND application_name = 'lavori worker'"
    )
    async with asyncio.timeout(5):  # its upkeep may be at work; what an export held would stay
        while await pool.fetchval(busy):
            await asyncio.sleep(0.02)
