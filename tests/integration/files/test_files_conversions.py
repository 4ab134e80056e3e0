"""An output in another of its formats: converted when it is first asked for, then streamed like any file."""

import asyncio
import csv
import io
import json
import random
import zipfile
from pathlib import Path
from uuid import UUID

import openpyxl
import pytest

from service.files import conversions
from service.files.keys import STORAGE
from service.files.storage import open_storage
from service.files.store import expire_files_of_jobs, release_expired_files
from service.tables.formats import Format

from .conftest import Caller, World

REJECTED = (
    b'"notice_number";"amount";"row"\r\n"302000000000012345";"12.50";"1"\r\n"\'=HYPERLINK(1)";"-3";"2"\r\n'
)
ALL = "{csv,xlsx,json,parquet}"


async def output(
    world: World, content: bytes = REJECTED, name: str = "rejected.csv", formats: str = ALL
) -> str:
    """The path of an output's content."""
    job_id = await world.job()
    output_id = await world.output(job_id, content, name)
    await world.pool.execute(f"UPDATE outputs SET available_formats = '{formats}' WHERE id = $1", output_id)
    return f"/api/jobs/{job_id}/outputs/{output_id}/content"


async def expire(world: World) -> None:
    """Let the files that are only cached have had their time, and purge them as a worker does."""
    await world.pool.execute(
        "UPDATE files SET expires_at = now() - interval '1 second' WHERE expires_at IS NOT NULL"
    )
    for key in await release_expired_files(world.pool, 100):
        await world.storage.delete(key)


async def test_a_csv_is_had_as_json_xlsx_and_parquet(world: World, anna: Caller) -> None:
    path = await output(world)
    as_json = await anna.get(f"{path}?format=json")
    assert as_json.status == 200
    assert as_json.body == [
        {"notice_number": "302000000000012345", "amount": 12.5, "row": 1},
        {"notice_number": "'=HYPERLINK(1)", "amount": -3.0, "row": 2},
    ]
    assert as_json.headers["Content-Type"] == "application/json"
    assert as_json.headers["Content-Disposition"] == 'attachment; filename="rejected.json"'
    as_xlsx = await anna.get(f"{path}?format=XLSX")
    sheet = openpyxl.load_workbook(io.BytesIO(as_xlsx.content)).worksheets[0]
    assert [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2)] == [
        ["302000000000012345", 12.5, 1],
        ["'=HYPERLINK(1)", -3, 2],
    ]
    assert as_xlsx.headers["Content-Type"] == Format.XLSX.mime_type
    as_parquet = await anna.get(f"{path}?format=parquet")
    assert as_parquet.content.startswith(b"PAR1")
    assert (await anna.get(f"{path}?format=csv")).content == REJECTED


async def test_the_second_request_finds_it_made_and_ranges_fit(
    world: World, anna: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await output(world) + "?format=xlsx"
    first = await anna.get(path)
    monkeypatch.setattr(conversions, "sandboxed", None)  # it would have to be converted again
    again = await anna.get(path)
    assert (again.content, again.headers["ETag"]) == (first.content, first.headers["ETag"])
    part = await anna.get(path, Range="bytes=10-99", If_Range=first.headers["ETag"])
    assert (part.status, part.content) == (206, first.content[10:100])
    assert (await anna.get(path, If_None_Match=first.headers["ETag"])).status == 304
    head = await anna.ask("HEAD", path)
    assert head.headers["Content-Length"] == str(len(first.content))


async def test_one_that_has_expired_is_made_again_with_the_same_bytes(world: World, anna: Caller) -> None:
    path = await output(world) + "?format=xlsx"
    first = await anna.get(path)
    await expire(world)
    assert await world.pool.fetchval("SELECT count(*) FROM conversions") == 0
    assert len(await world.blobs()) == 1
    part = await anna.get(path, Range="bytes=10-", If_Range=first.headers["ETag"])
    assert (part.status, part.content) == (206, first.content[10:])


async def test_one_that_is_asked_for_again_is_kept_for_another_day(world: World, anna: Caller) -> None:
    path = await output(world) + "?format=json"
    await anna.get(path)
    await world.pool.execute(
        "UPDATE files SET expires_at = now() + interval '1 hour' WHERE expires_at IS NOT NULL"
    )
    assert (await anna.get(path)).status == 200
    lives_on = await world.pool.fetchval(
        "SELECT expires_at > now() + interval '23 hours' FROM files WHERE expires_at IS NOT NULL"
    )
    assert lives_on
    assert await world.pool.fetchval("SELECT count(*) FROM files") == 2


async def test_it_goes_with_its_job(world: World, anna: Caller) -> None:
    path = await output(world)
    for wanted in ("json", "xlsx"):
        await anna.get(f"{path}?format={wanted}")
    job_id = path.split("/")[3]
    async with world.pool.acquire() as connection, connection.transaction():
        await expire_files_of_jobs(connection, 1, [UUID(job_id)])
        await connection.execute("DELETE FROM jobs WHERE id = $1", UUID(job_id))
    for key in await release_expired_files(world.pool, 100):
        await world.storage.delete(key)
    assert await world.blobs() == set()


@pytest.mark.parametrize(
    ("name", "formats", "wanted"),
    [
        ("rejected.csv", "{csv,xlsx}", "json"),
        ("rejected.csv", "{}", "json"),
        ("rejected.csv", ALL, "pdf"),
        ("rejected.csv", ALL, ""),
        ("report.txt", ALL, "csv"),
        ("report", ALL, "csv"),
    ],
)
async def test_a_format_that_it_does_not_have_is_400_and_names_those_it_has(
    world: World, anna: Caller, name: str, formats: str, wanted: str
) -> None:
    refused = await anna.get(f"{await output(world, name=name, formats=formats)}?format={wanted}")
    assert (refused.status, refused.body["code"]) == (400, "malformed")
    assert "can be had as" in refused.body["detail"]


async def test_many_who_ask_at_once_get_one_conversion(world: World, anna: Caller) -> None:
    path = await output(world) + "?format=json"
    answers = await asyncio.gather(*(anna.get(path) for _ in range(10)))
    assert {(answer.status, answer.content) for answer in answers} == {(200, answers[0].content)}
    assert await world.pool.fetchval("SELECT count(*) FROM files") == 2
    assert len(await world.blobs()) == 2


async def test_who_waits_too_long_for_a_turn_is_told_to_come_again(
    world: World, anna: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversions, "WAIT_SECONDS", 0.0)
    paths = [f"{await output(world)}?format=json" for _ in range(5)]
    answers = await asyncio.gather(*(anna.get(path) for path in paths))
    assert {answer.status for answer in answers} == {200, 503}
    assert all("Retry-After" in answer.headers for answer in answers if answer.status == 503)


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("t.csv", b"a,b\n1,2,3\n", "json"),
        ("t.json", b'{"no": "table"}', "csv"),
        ("t.xlsx", b"PK\3\4 nothing", "csv"),
        ("t.parquet", b"PAR1" + random.Random(0).randbytes(64) + b"PAR1", "csv"),
    ],
)
async def test_what_is_no_table_after_all_is_refused_each_time_and_leaves_nothing(
    world: World, anna: Caller, name: str, content: bytes, wanted: str
) -> None:
    path = f"{await output(world, content, name)}?format={wanted}"
    for _ in range(2):
        refused = await anna.get(path)
        assert (refused.status, refused.body["code"]) == (422, "not_convertible")
    assert len(await world.blobs()) == 1


SHEET = "xl/worksheets/sheet1.xml"


def bomb(unpacked: int, *, lies: bool) -> bytes:
    """A workbook with a sheet that unpacks to so many bytes, and may lie about it."""
    workbook, made = io.BytesIO(), io.BytesIO()
    filled = openpyxl.Workbook()
    filled.worksheets[0]["A1"] = 1
    filled.save(workbook)
    row = b'<row><c t="inlineStr"><is><t>' + b"x" * 1_000_000 + b"</t></is></c></row>"
    with zipfile.ZipFile(workbook) as parts, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in parts.namelist():
            if part != SHEET:
                archive.writestr(part, parts.read(part))
        with archive.open(SHEET, "w") as sheet:
            begin, _, end = parts.read(SHEET).partition(b"</sheetData>")
            assert end
            sheet.write(begin)
            for _ in range(unpacked // len(row)):
                sheet.write(row)
            sheet.write(b"</sheetData>" + end)
        size = archive.getinfo(SHEET).file_size
    return (
        made.getvalue().replace(size.to_bytes(4, "little"), (1000).to_bytes(4, "little"))
        if lies
        else made.getvalue()
    )


@pytest.mark.parametrize("lies", [False, True])
async def test_a_bomb_is_refused_and_the_api_goes_on(world: World, anna: Caller, *, lies: bool) -> None:
    path = f"{await output(world, bomb(1_500 << 20, lies=lies), 'bomb.xlsx')}?format=csv"
    refused = await anna.get(path)
    assert (refused.status, refused.body["code"]) == (422, "not_convertible")
    assert len(await world.blobs()) == 1
    assert (await anna.get(f"{await output(world)}?format=json")).status == 200


async def test_a_result_that_takes_too_long_or_too_much_is_refused(
    world: World, anna: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = b"a,b\n" + b"1234567,2\n" * 200_000
    paths = [f"{await output(world, many)}?format=json" for _ in range(3)]
    monkeypatch.setattr(conversions, "LARGEST", 1_000_000)
    large = await anna.get(paths[0])
    assert (large.status, large.body["code"]) == (422, "not_convertible")
    monkeypatch.undo()
    monkeypatch.setattr(conversions, "SECONDS", 0.05)
    slow = await anna.get(paths[1])
    assert (slow.status, slow.body["code"]) == (422, "not_convertible")
    assert "longer than" in slow.body["detail"]
    monkeypatch.undo()
    monkeypatch.setattr(conversions, "MEMORY", 40 << 20)
    wide = await anna.get(paths[2])
    assert (wide.status, wide.body["code"]) == (422, "not_convertible")
    assert len(await world.blobs()) == 3


async def test_nothing_is_left_in_the_temporary_folder(
    world: World, anna: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    path = await output(world)
    for wanted in ("xlsx", "json", "parquet"):
        assert (await anna.get(f"{path}?format={wanted}")).status == 200
    await anna.get(f"{await output(world, b'a,b' + b'x' * 9, 't.parquet')}?format=csv")
    assert list(folder.iterdir()) == []


async def test_conversions_work_in_a_bucket_too(world: World, anna: Caller, bucket_url: str) -> None:
    path = await output(world)
    key: str = await world.pool.fetchval("SELECT storage_key FROM files")
    storage = open_storage(bucket_url)
    async with storage.create(None) as writer:
        await writer.write(REJECTED)
    await world.pool.execute("UPDATE files SET storage_key = $1 WHERE storage_key = $2", writer.blob.key, key)
    world.client.app._state[STORAGE] = storage
    answer = await anna.get(f"{path}?format=json")
    assert [row["row"] for row in json.loads(answer.content)] == [1, 2]


async def test_a_csv_of_strangers_is_safe_as_csv_of_json(world: World, anna: Caller) -> None:
    content = json.dumps([{"a": "=cmd|' /C calc'!A0", "n": -5}, {"a": "-5", "n": 1}]).encode()
    answer = await anna.get(f"{await output(world, content, 'rows.json')}?format=csv")
    assert list(csv.reader(io.StringIO(answer.content.decode()))) == [
        ["a", "n"],
        ["'=cmd|' /C calc'!A0", "-5"],
        ["-5", "1"],
    ]
