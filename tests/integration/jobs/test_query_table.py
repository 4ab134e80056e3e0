"""query_table as a job: tables of each format in and out, and queries that would take the machine down."""

import asyncio
import base64
import io
import json
import os
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from aiohttp import ClientSession

from running import job as read_job
from running import until
from service.jobs.jobtype import JobTypes
from service.settings import Settings
from worker_process import WorkerProcess
from workers.jobtypes import query_table as module
from workers.jobtypes.echo import echo
from workers.jobtypes.query_table import query_table

Query = Callable[..., Awaitable[dict[str, Any]]]
ROWS = [{"name": "Anna", "amount": 120.5}, {"name": "=1+1", "amount": -0.25}, {"name": "Zoë", "amount": 3}]
SQL = "SELECT name, amount * 2 AS double FROM input ORDER BY amount DESC"
DOUBLES = [("Anna", 241), ("Zoë", 6), ("=1+1", -0.5)]
ENDLESS = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n FROM t) SELECT count(*) FROM t"


@pytest.fixture
def job_types() -> JobTypes:
    return JobTypes([query_table, echo])


def table(wanted: str) -> bytes:
    """The rows as a file, made by another library where there is one."""
    file = io.BytesIO()
    match wanted:
        case "csv":
            return "name;amount\nAnna;120.50\n=1+1;-0.25\nZoë;3\n".encode()
        case "json":
            return json.dumps(ROWS).encode()
        case "xlsx":
            book = openpyxl.Workbook()
            for row in (["name", "amount"], *(list(one.values()) for one in ROWS)):
                book.worksheets[0].append(row)
            book.worksheets[0]["A3"].data_type = "s"
            book.save(file)
        case "parquet":
            kinds = pa.schema([("name", pa.string()), ("amount", pa.decimal128(14, 2))])
            rows = [{**one, "amount": Decimal(str(one["amount"]))} for one in ROWS]
            pq.write_table(pa.Table.from_pylist(rows, kinds), file)
    return file.getvalue()


@pytest.fixture
async def query(api: ClientSession, submit: Callable[..., Awaitable[dict[str, Any]]]) -> Query:
    """Submit a query over a file."""

    async def call(
        sql: str, wanted: str = "json", *, data: bytes | None = None, name: str = "t.csv", **body: Any
    ) -> dict[str, Any]:
        file = base64.b64encode(table("csv") if data is None else data).decode()
        args = {"sql": sql, "format": wanted}
        return await submit("query_table", args=args, attachment={"file": file, "name": name}, **body)

    return call


async def ended(api: ClientSession, made: dict[str, Any], seconds: float = 30) -> dict[str, Any]:
    return await until(api, made["id"], "finished", "failed", "cancelled", seconds=seconds)


async def content(api: ClientSession, job: dict[str, Any], wanted: str | None = None) -> bytes:
    assert job["status"] == "finished", job
    (output,) = job["outputs"]
    query = {"format": wanted} if wanted else {}
    async with api.get(f"/api/jobs/{job['id']}/outputs/{output['id']}/content", params=query) as response:
        assert response.status == 200
        return await response.read()


def children(of: int) -> list[int]:
    """The processes that a process has started and that are alive."""
    found = []
    for pid in Path(f"/proc/{of}/task/{of}/children").read_text().split():
        with suppress(OSError):
            if b"importlib" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(int(pid))
    return found


@asynccontextmanager
async def largest_child(of: int) -> AsyncIterator[list[int]]:
    """Watch how much memory a process's children hold, in MiB; the last of the list is the most."""
    most = [0]

    async def watch() -> None:
        while True:
            for pid in children(of):
                with suppress(OSError, IndexError):
                    status = Path(f"/proc/{pid}/status").read_text()
                    most.append(max(most[-1], int(status.partition("VmHWM:")[2].split()[0]) // 1024))
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    try:
        yield most
    finally:
        watching.cancel()


@pytest.mark.parametrize("own", ["csv", "xlsx", "json", "parquet"])
@pytest.mark.parametrize("wanted", ["csv", "parquet"])
async def test_a_table_of_any_format_is_queried_into_any(
    api: ClientSession, query: Query, worker: asyncio.Event, own: str, wanted: str
) -> None:
    done = await ended(api, await query(SQL, wanted, data=table(own), name=f"dues.{own}"))
    data = await content(api, done, "json")
    assert [(row["name"], row["double"]) for row in json.loads(data)] == [
        (name if wanted == "parquet" or not name.startswith("=") else f"'{name}", double)
        for name, double in DOUBLES
    ]
    (output,) = done["outputs"]
    assert output["name"] == f"dues.{wanted}"
    assert output["available_formats"] == ["csv", "xlsx", "json", "parquet"]
    assert (done["response_type"], done["running_output"]) == ("publish_link", "row 3 of the result")


@pytest.mark.parametrize("wanted", ["csv", "xlsx", "json", "parquet"])
async def test_an_empty_result_keeps_its_columns(
    api: ClientSession, query: Query, worker: asyncio.Event, wanted: str
) -> None:
    data = await content(api, await ended(api, await query("SELECT name, name FROM input LIMIT 0", wanted)))
    match wanted:
        case "csv":
            assert data == b'"name","name_2"\n'
        case "json":
            assert json.loads(data) == []
        case "xlsx":
            cells = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0].iter_rows(values_only=True)
            assert list(cells) == [("name", "name_2")]
        case _:
            assert pq.read_table(io.BytesIO(data)).schema.names == ["name", "name_2"]


async def test_the_type_tells_the_format_where_the_name_does_not(
    api: ClientSession, submit: Callable[..., Awaitable[dict[str, Any]]], worker: asyncio.Event
) -> None:
    file = {"file": base64.b64encode(table("json")).decode(), "name": "data", "mime_type": "application/json"}
    args = {"sql": "SELECT count(*) AS n FROM input", "format": "json"}
    made = await submit("query_table", args=args, attachment=file)
    assert json.loads(await content(api, await ended(api, made))) == [{"n": 3}]
    made = await submit("query_table", args=args, attachment={**file, "mime_type": "text/html"})
    assert (await ended(api, made))["error"]["code"] == "no_table"


def bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", bytes(64 << 20))
    return file.getvalue()


@pytest.mark.parametrize(
    ("sql", "code", "more"),
    [
        ("DROP TABLE input", "query_refused", {}),
        ("SELECT * FROM read_text('/etc/passwd')", "query_refused", {}),
        ("SELECT * FROM nothing", "query_failed", {}),
        ("SELECT 'x'::INTEGER", "query_failed", {}),
        ("SELECT 1", "no_table", {"name": "t.xlsx"}),
        ("SELECT 1", "no_table", {"name": "t.pdf"}),
        ("SELECT 1", "query_too_large", {"name": "t.xlsx", "data": bomb()}),
        ("SELECT list(range) FROM range(200000000)", "query_too_large", {}),
        ("SELECT string_agg(repeat('x', 1000), '') FROM range(10000000)", "query_too_large", {}),
        ("SELECT [range(1000000)] FROM range(1000)", "query_too_large", {}),
    ],
)
async def test_a_query_that_cannot_be_run_fails_the_job_with_a_code_and_the_worker_lives(
    api: ClientSession, query: Query, worker: asyncio.Event, sql: str, code: str, more: dict[str, Any]
) -> None:
    async with largest_child(os.getpid()) as most:
        failed = await ended(api, await query(sql, max_attempts=3, **more))
    assert (failed["status"], failed["error"]["code"], failed["attempt"]) == ("failed", code, 1), failed
    assert failed["outputs"] == []
    assert failed["output"] == failed["error"]["message"]
    assert most[-1] < 1024
    assert (await ended(api, await query("SELECT 1")))["status"] == "finished"


@pytest.mark.parametrize(
    "sql",
    [
        ENDLESS,
        "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range * b.range % 7 = 3",
        "SELECT a.range, b.range FROM range(1000000) a, range(1000000) b ORDER BY hash(a.range + b.range)",
    ],
)
async def test_a_query_without_end_ends_with_the_time_of_its_job(
    api: ClientSession, query: Query, worker: asyncio.Event, sql: str
) -> None:
    async with largest_child(os.getpid()) as most:
        failed = await ended(api, await query(sql, timeout_seconds=3))
    assert failed["error"]["code"] == "timed_out"
    assert most[-1] < 1024
    assert children(os.getpid()) == []


@pytest.mark.parametrize(
    "sql", ["SELECT list(range) FROM range(200000000)", "SELECT [range(1000000)] FROM range(1000)"]
)
async def test_the_process_has_a_limit_of_its_own(
    api: ClientSession, query: Query, worker: asyncio.Event, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    monkeypatch.setattr(module, "MEMORY", 256 << 20)  # less than the engine believes that it has
    async with largest_child(os.getpid()) as most:
        failed = await ended(api, await query(sql))
    assert failed["error"]["code"] == "query_too_large", failed
    assert most[-1] < 384


async def test_a_result_has_a_limit(
    api: ClientSession, query: Query, worker: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST_FILE", 4 << 20)
    failed = await ended(api, await query("SELECT repeat('x', 100) FROM range(1000000000)", "csv"))
    assert failed["error"] == {
        "code": "query_too_large", "message": "The result is larger than it may be.", "retryable": False,
    }  # fmt: skip


async def test_cancelling_kills_the_query_at_once(
    api: ClientSession, query: Query, worker: asyncio.Event
) -> None:
    made = await query(ENDLESS)
    async with asyncio.timeout(15):
        while (await read_job(api, made["id"]))["running_output"] != "3 rows to query":
            await asyncio.sleep(0.02)
    assert len(children(os.getpid())) == 1
    async with api.post(f"/api/jobs/{made['id']}/cancel") as response:
        assert response.status == 202
    assert (await ended(api, made, seconds=5))["status"] == "cancelled"
    assert children(os.getpid()) == []


async def test_a_worker_that_is_killed_takes_its_query_with_it(
    api: ClientSession, query: Query, settings: Settings
) -> None:
    with WorkerProcess(settings) as process:
        made = await query(ENDLESS)
        async with asyncio.timeout(30):
            while (await read_job(api, made["id"]))["running_output"] != "3 rows to query":
                await asyncio.sleep(0.02)
        (child,) = children(process.pid)
        process.kill_and_start_again()
        async with asyncio.timeout(5):
            while Path(f"/proc/{child}").exists():
                await asyncio.sleep(0.02)
        async with api.post(f"/api/jobs/{made['id']}/cancel") as response:
            assert response.status in (200, 202)


async def test_a_tenant_has_two_queries_at_once_and_the_others_wait_their_turn(
    api: ClientSession, query: Query, worker: asyncio.Event
) -> None:
    made = [await query(ENDLESS, timeout_seconds=4) for _ in range(4)]
    async with asyncio.timeout(15):
        while True:
            jobs = [await read_job(api, one["id"]) for one in made]
            if (
                sorted(str(one["status_text"]) for one in jobs)
                == ["Running"] * 2 + ["Waiting for its turn"] * 2
            ):
                break
            await asyncio.sleep(0.02)
    assert len(children(os.getpid())) == 2
    for one in made:
        assert (await ended(api, one))["error"]["code"] == "timed_out"


async def test_a_type_that_takes_a_file_is_refused_without_one(api: ClientSession) -> None:
    body = {"type": "query_table", "args": {"sql": "", "format": "pdf"}}
    async with api.post("/api/jobs", json=body) as response:
        problem = await response.json()
    assert response.status == 422
    assert {one["pointer"] for one in problem["errors"]} >= {"#/args/sql", "#/args/format"}


async def test_a_worker_without_duckdb_says_what_is_missing(
    api: ClientSession, query: Query, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "hidden" / "duckdb").mkdir(parents=True)
    (tmp_path / "hidden" / "duckdb" / "__init__.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'duckdb'\", name='duckdb')"
    )
    hidden = f"{tmp_path / 'hidden'}:{Path(__file__).parents[2]}"
    with WorkerProcess(replace(settings, worker_concurrency=1), {"PYTHONPATH": hidden}):
        failed = await ended(api, await query("SELECT 1"), seconds=40)
    assert failed["error"]["code"] == "not_installed"
    assert "lavori[query]" in failed["output"]
