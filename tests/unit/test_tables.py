"""Tables converted from each format to each other, and read back by libraries that had no hand in it."""

import csv
import json
import math
import os
import string
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from service.sandbox.child import Refusal
from service.tables.convert import convert
from service.tables.formats import Format, ending, require_tables

TYPED = [
    {"name": "Anna", "count": 3, "amount": 12.5, "good": True, "empty": None},
    {"name": 'Bruno, "B"\nsecond line', "count": -7, "amount": -0.25, "good": False, "empty": None},
    {"name": "=1+1", "count": 0, "amount": 1e-7, "good": None, "empty": None},
]
CSV = '"a","b"\r\n"1","x"\r\n"2","y"\r\n'


def converted(source: Path, wanted: str, own: str | None = None) -> Path:
    """The file in another format, beside it."""
    folder = source.parent / f"to_{wanted}"
    folder.mkdir(exist_ok=True)
    target = source.parent / f"converted.{wanted}"
    target.write_bytes(b"".join(convert(str(source), own or ending(source.name), wanted, str(folder))))
    return target


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows_of(path: Path) -> list[list[Any]]:
    """A file's rows with its header, read by another library than the one that wrote it, where there is one."""
    match ending(path.name):
        case "csv":
            with path.open(encoding="utf-8", newline="") as file:
                return list(csv.reader(file))
        case "json":
            objects = json.loads(path.read_text(encoding="utf-8"))
            return [list(objects[0]) if objects else [], *(list(one.values()) for one in objects)]
        case "xlsx":
            workbook = openpyxl.load_workbook(path)
            return [[cell.value for cell in row] for row in workbook.worksheets[0].iter_rows()]
    table = pq.read_table(path)
    return [table.column_names, *(list(row.values()) for row in table.to_pylist())]


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Path]:
    """The same table in each format, made by others."""
    (tmp_path / "sources").mkdir()
    made = {one: tmp_path / "sources" / f"t.{one}" for one in Format}
    names = list(TYPED[0])
    made[Format.JSON].write_text(json.dumps(TYPED))
    kinds = [pa.string(), pa.int32(), pa.float64(), pa.bool_(), pa.null()]
    pq.write_table(
        pa.Table.from_pylist(TYPED, pa.schema(list(zip(names, kinds, strict=True)))), made[Format.PARQUET]
    )
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.append(names)
    for row in TYPED:
        sheet.append(list(row.values()))
    sheet["A4"].data_type = "s"
    workbook.save(made[Format.XLSX])
    with made[Format.CSV].open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for row in TYPED:
            writer.writerow(
                ["" if v is None else str(v).lower() if v is True or v is False else v for v in row.values()]
            )
    return {str(one): path for one, path in made.items()}


PAIRS = [(own, wanted) for own in Format for wanted in Format if own != wanted]


@pytest.mark.parametrize(("own", "wanted"), PAIRS)
def test_a_table_is_the_same_in_every_format(sources: dict[str, Path], own: str, wanted: str) -> None:
    names, *rows = rows_of(converted(sources[own], wanted))
    assert names == list(TYPED[0])
    spreadsheet = wanted in ("csv", "xlsx")
    for expected, row in zip(TYPED, rows, strict=True):
        name, count, amount, good, empty = row
        text = str(expected["name"])
        assert name == (f"'{text}" if spreadsheet and text.startswith("=") else text)
        assert (float(count), float(amount)) == (expected["count"], expected["amount"])
        if wanted != "csv":
            assert (isinstance(count, int), isinstance(amount, (int, float))) == (True, True)
        assert {True: "true", False: "false"}.get(good, good or "") == str(expected["good"] or
            ("false" if expected["good"] is False else "")).lower()  # fmt: skip
        assert empty in (None, "")


FORMULAS = st.tuples(st.sampled_from("=+-@\t\r"), st.text(max_size=8)).map("".join)
NUMBERS = st.one_of(st.integers(-(10**14), 10**14), st.integers(-999, 999)).map(str)
ODD = st.sampled_from(
    ["", "'", "'=1", "<r><f>x</f></r>", "_x0041_", "&amp;", "]]>", "007", "+39061234567", "-1,5", "1e5",
     "-1e-05", "-1E5", "\ufffe", "\x01", "\r\n", " a ", "0.10", "-0", "1234567890123456", "12345678901234.5",
     "٣", "🂡", "\u2028", '"', ";", ","]
)  # fmt: skip
FORMULA_STARTS = tuple("=+-@\t\r")
CELLS = st.one_of(FORMULAS, NUMBERS, ODD, st.text(max_size=12)).filter(lambda cell: "\0" not in cell)
HEADER = ["id", "b"]


def shown(cell: str) -> str:
    """A text as a sheet shows it: it knows no control characters."""
    return "".join("\ufffd" if (c < " " and c not in "\t\n\r") or c in "\ufffe\uffff" else c for c in cell)


def is_plain_number(cell: str) -> bool:
    """Whether a text says a number in the way that loses nothing."""
    mantissa, e, exponent = cell.removeprefix("-").partition("e")
    whole, point, part = mantissa.partition(".")
    return (
        all_digits(whole) and (whole == "0" or whole[0] != "0")
        and (all_digits(part) or not point)
        and (not e or (exponent[:1] in ("+", "-") and all_digits(exponent[1:]) and len(exponent) in (3, 4)))
        and len(cell) - cell.count("-") - cell.count(".") <= 15
    )  # fmt: skip


def all_digits(text: str) -> bool:
    return bool(text) and set(text) <= set(string.digits)


def is_signed_number(cell: str) -> bool:
    """Whether a spreadsheet would take it for a number, whatever its length."""
    mantissa, e, exponent = cell[1:].replace("E", "e").partition("e")
    whole, *part = mantissa.replace(",", ".").split(".")
    return (
        cell[:1] in ("+", "-") and all(map(all_digits, (whole, *part))) and len(part) <= 1
        and (not e or all_digits(exponent[1:] if exponent[:1] in ("+", "-") else exponent))
    )  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=st.lists(CELLS, min_size=1, max_size=12))
@example(cells=["=1+1", "-5", "12.50", "+5", "@x", "\t=1", "\r=1", "-1+1"])
def test_cells_run_nothing_and_numbers_stay_numbers(tmp_path: Path, cells: list[str]) -> None:
    source = tmp_path / "t.csv"
    with source.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(
            [HEADER, *([f"r{n}", cell] for n, cell in enumerate(cells))]
        )
    sheet = openpyxl.load_workbook(converted(source, "xlsx")).worksheets[0]
    for n, cell in enumerate(cells):
        found = sheet.cell(n + 2, 2)
        if is_plain_number(cell):
            assert found.data_type == "n"
            assert float(found.value) == float(cell)
            continue
        assert found.data_type != "f"
        value = "" if found.value is None else str(found.value)
        safe = f"'{cell}" if cell[:1] in FORMULA_STARTS and not is_signed_number(cell) else cell
        assert value.replace("_x005F_", "_") == shown(safe)
    # As csv again, by way of parquet: texts as they were, but for the same guard; numbers at their worth.
    back = rows_of(converted(converted(source, "parquet"), "csv"))[1:]
    for cell, (_, value) in zip(cells, back, strict=True):
        if is_plain_number(cell) and value != cell:
            assert float(value) == float(cell)
        elif cell[:1] in FORMULA_STARTS and not is_signed_number(cell):
            assert value == f"'{cell}"
        else:
            assert value == cell


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(CELLS, min_size=1, max_size=8),
    number=st.one_of(
        st.floats(allow_nan=False, allow_infinity=False, width=32), st.integers(-(2**63) + 1, 2**63 - 1)
    ),
)
def test_typed_values_come_back_from_json_by_every_way(tmp_path: Path, texts: list[str], number: Any) -> None:
    objects = [{"t": text, "n": number} for text in texts]
    source = written(tmp_path, "t.json", json.dumps(objects))
    assert json.loads(converted(converted(source, "parquet"), "json").read_text()) == objects
    for wanted in ("csv", "xlsx"):
        for text, (found, amount) in zip(texts, rows_of(converted(source, wanted))[1:], strict=True):
            assert str(found or "")[:1] not in tuple("=@\t\r")
            assert (str(found or "")[:1] in tuple("+-")) <= is_signed_number(text)
            if wanted == "csv" or isinstance(number, float) or abs(number) < 10**15:
                assert math.isclose(float(amount), number, rel_tol=1e-15)
            else:
                assert amount == str(number)


def test_numbers_that_would_lose_digits_stay_texts(tmp_path: Path) -> None:
    source = written(tmp_path, "t.csv", "notice,iuv,phone\n302000000000012345,012345678901234,+39061234567\n")
    texts = ["302000000000012345", "012345678901234", "+39061234567"]
    for wanted in ("xlsx", "json", "parquet"):
        assert rows_of(converted(source, wanted))[1] == texts


def test_the_same_table_makes_the_same_bytes(tmp_path: Path) -> None:
    source = written(tmp_path, "t.csv", CSV)
    for wanted in ("xlsx", "json", "parquet"):
        assert converted(source, wanted).read_bytes() == converted(source, wanted).read_bytes()


def test_dates_and_moments_keep_their_kind(tmp_path: Path) -> None:
    day, moment = date(2026, 11, 22), datetime(2026, 11, 22, 10, 41, 19, tzinfo=UTC)
    rows = [{"d": day, "m": moment, "x": Decimal("12.50"), "l": [1, 2], "b": b"\0\1", "i": 2**63 - 1}]
    source = tmp_path / "t.parquet"
    pq.write_table(pa.Table.from_pylist(rows), source)
    found = rows_of(converted(source, "xlsx"))[1]
    assert (found[0].date(), found[1]) == (day, moment.replace(tzinfo=None))
    assert found[2:] == [12.5, "[1,2]", "AAE=", str(2**63 - 1)]
    assert rows_of(converted(source, "json"))[1] == [
        *("2026-11-22", "2026-11-22T10:41:19.000000Z", 12.5, [1, 2], "AAE=", 2**63 - 1)
    ]
    assert rows_of(converted(source, "csv"))[1][:2] == ["2026-11-22", "2026-11-22T10:41:19.000000Z"]


def test_decimals_keep_all_their_digits(tmp_path: Path) -> None:
    kinds = pa.schema([("a", pa.decimal128(14, 2)), ("b", pa.decimal128(38, 10)), ("c", pa.uint64())])
    rows: list[dict[str, Any]] = [
        {"a": Decimal("120.50"), "b": Decimal("0.0000000001"), "c": 1},
        {
            "a": Decimal("-999999999999.99"),
            "b": Decimal("1234567890123456789012345678.0123456789"),
            "c": 2**64 - 1,
        },
        {"a": None, "b": None, "c": None},
    ]
    source = tmp_path / "t.parquet"
    pq.write_table(pa.Table.from_pylist(rows, kinds), source)
    names = list(rows[0])
    found = json.loads(converted(source, "json").read_text(), parse_float=Decimal)
    assert [{name: row[name] and Decimal(row[name]) for name in names} for row in found] == rows
    first, second, third = rows_of(converted(source, "csv"))[1:]
    assert first == ["120.50", "1E-10", "1"]
    assert [Decimal(cell) for cell in second] == [Decimal(cell) for cell in rows[1].values()]
    assert third == ["", "", ""]
    first, second = rows_of(converted(source, "xlsx"))[1:3]
    assert first == [120.5, 1e-10, 1]
    assert second[0] == -999999999999.99
    assert second[1:] == [str(rows[1]["b"]), str(2**64 - 1)]  # more digits than a sheet keeps


def test_columns_without_a_name_or_with_anothers_get_one(tmp_path: Path) -> None:
    source = written(tmp_path, "t.csv", "a,,a\n1,2,3\n")
    assert rows_of(converted(source, "json")) == [["a", "column_2", "a_2"], [1, 2, 3]]


@pytest.mark.parametrize("content", ["a;b\n1;2\n", "\ufeffa,b\n", "a\tb", "a,b\n1,2"])
def test_separators_marks_and_tables_without_rows_are_fine(tmp_path: Path, content: str) -> None:
    source = written(tmp_path, "t.csv", content)
    for wanted in ("xlsx", "parquet"):
        assert rows_of(converted(source, wanted))[0] == ["a", "b"]


def test_an_empty_array_is_a_table_without_columns(tmp_path: Path) -> None:
    source = written(tmp_path, "t.json", "[]")
    assert converted(source, "csv").read_bytes() == b""
    assert rows_of(converted(source, "xlsx")) in ([], [[None]])
    assert pq.read_table(converted(source, "parquet")).num_rows == 0


def test_objects_that_differ_have_all_their_columns(tmp_path: Path) -> None:
    source = written(tmp_path, "t.json", '[{"a": 1}, {"b": "x", "a": 2.5}, {"c": {"d": [1]}}, {"c": 7}]')
    names, *rows = rows_of(converted(source, "csv"))
    assert names == ["a", "b", "c"]
    assert rows == [["1", "", ""], ["2.5", "x", ""], ["", "", '{"d": [1]}'], ["", "", "7"]]


def test_a_long_text_is_cut_in_a_sheet_and_nowhere_else(tmp_path: Path) -> None:
    source = written(tmp_path, "t.csv", f"a,b\n{'x' * 40_000},{'🂡' * 20_000}\n")
    found = rows_of(converted(source, "xlsx"))[1]
    assert [len(cell.encode("utf-16-le")) // 2 for cell in found] == [32_767, 32_767]
    assert all(cell.endswith("…") for cell in found)
    assert len(rows_of(converted(source, "json"))[1][0]) == 40_000


NO_TABLES = [
    ("csv", b""),
    ("csv", b"a,b\n1,2,3\n"),
    ("csv", b"a,b\n\xff,2\n"),
    ("json", b""),
    ("json", b"{}"),
    ("json", b"[1]"),
    ("json", b"[{}"),
    ("json", b"[{},]"),
    ("json", b'[{"a": NaN}]'),
    ("json", b'[{"a": 1}] x'),
    ("json", b'[{"a": 1} {"a": 2}]'),
    ("json", b'[{"a": "\\ud800"}]'),
    ("json", b'[{"a": ' + b"[" * 200_000),
    ("json", b"\xff"),
    ("xlsx", b""),
    ("xlsx", b"no zip"),
    ("parquet", b""),
    ("parquet", b"PAR1" + os.urandom(100) + b"PAR1"),
]


@pytest.mark.parametrize(("own", "content"), NO_TABLES)
def test_what_is_no_table_is_refused(tmp_path: Path, own: str, content: bytes) -> None:
    source = written(tmp_path, f"t.{own}", content)
    with pytest.raises(Refusal) as refused:
        converted(source, "csv" if own != "csv" else "json")
    assert refused.value.code == "no_table"


def test_more_rows_than_a_sheet_holds_are_refused(tmp_path: Path) -> None:
    source = written(tmp_path, "t.csv", "a\n" + "1\n" * 1_048_576)
    with pytest.raises(Refusal, match="at most 1048575 rows") as refused:
        converted(source, "xlsx")
    assert refused.value.code == "too_large"


@pytest.mark.fault("F33", "an XLSX that would unpack to far more")
def test_a_sheet_that_would_unpack_to_far_more_is_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "t.xlsx"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * (64 << 20))
    with pytest.raises(Refusal, match="unpack") as refused:
        converted(bomb, "csv")
    assert refused.value.code == "too_large"


def test_formats_that_are_none_are_a_mistake_of_the_job_type() -> None:
    require_tables({"csv", "xlsx"})
    with pytest.raises(ValueError, match="pdf"):
        require_tables({"csv", "pdf"})
