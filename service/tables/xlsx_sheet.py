"""Writes a sheet of Excel, a column of a batch at a time and the file from front to back.

By hand: XlsxWriter takes four times as long and more (decision 12). The format is ECMA-376; texts stand in their cells.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pyarrow as pa
import pyarrow.compute as pc

from service.sandbox.child import Refusal
from service.tables.cells import DIGITS, defused
from service.tables.columns import are_numbers, defused_column
from service.tables.formats import MOST_ROWS_OF_A_SHEET, TOO_MANY_ROWS
from service.tables.rows import Rows, plain

LONGEST_TEXT = 32_767  # in UTF-16, as a sheet counts
LARGEST_INTEGER = 10**DIGITS
FIRST_YEAR = 1901  # before, sheets and the calendar do not agree
DAY_ZERO = datetime(1899, 12, 30, tzinfo=UTC)
SECONDS_A_DAY = 86_400
DATE, MOMENT = ' s="1"', ' s="2"'  # styles
LITTLE = 2  # the level of compression: level 6 takes three times as long, and saves a third

XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
PARTS = {
    "[Content_Types].xml": f"""<Types xmlns="{PACKAGE}/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="xml" ContentType="application/xml"/>
<Override PartName="/xl/workbook.xml" ContentType="{KIND}.sheet.main+xml"/>
<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{KIND}.worksheet+xml"/>
<Override PartName="/xl/styles.xml" ContentType="{KIND}.styles+xml"/>
</Types>""",
    "_rels/.rels": f"""<Relationships xmlns="{PACKAGE}/relationships">
<Relationship Id="rId1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/>
</Relationships>""",
    "xl/workbook.xml": f"""<workbook xmlns="{SHEET}" xmlns:r="{OFFICE}">
<sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets>
</workbook>""",
    "xl/_rels/workbook.xml.rels": f"""<Relationships xmlns="{PACKAGE}/relationships">
<Relationship Id="rId1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>
<Relationship Id="rId2" Type="{OFFICE}/styles" Target="styles.xml"/>
</Relationships>""",
    "xl/styles.xml": f"""<styleSheet xmlns="{SHEET}">
<numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/>
<numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/></numFmts>
<fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts>
<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>
<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>
<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>
<cellXfs count="3"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>
<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>
<xf numFmtId="165" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs>
<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>
</styleSheet>""",
}


def write(rows: Rows, path: Path) -> Iterator[int]:
    """Write a file; gives the number of rows of each batch that is written. The same table makes the same bytes.

    Raises Refusal for more rows than a sheet holds.
    """
    rows = plain(rows)
    with ZipFile(path, "w", ZIP_DEFLATED, compresslevel=LITTLE) as archive:
        for name, text in PARTS.items():
            with archive.open(name, "w") as part:
                part.write((XML + text).encode())
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as part:
            part.write(f'{XML}<worksheet xmlns="{SHEET}"><sheetData>'.encode())
            for piece, count in _pieces(rows):
                part.write(piece.encode())
                yield count
            part.write(b"</sheetData></worksheet>")


def _pieces(rows: Rows) -> Iterator[tuple[str, int]]:
    """The sheet's rows as texts, each with the number of the table's rows in it; the header comes first."""
    letters = [_letters(n) for n in range(len(rows.schema))]
    header = [
        _texts(pa.array([name], pa.string()), letter, 1)
        for letter, name in zip(letters, rows.schema.names, strict=True)
    ]
    yield _rows(header, 1), 0
    at = 2
    for batch in rows.batches:
        if at + len(batch) > MOST_ROWS_OF_A_SHEET + 2:
            raise Refusal("too_large", TOO_MANY_ROWS)
        columns = zip(batch.columns, letters, strict=True)
        cells = [_cells(column, letter, at, loose=rows.loose) for column, letter in columns]
        yield _rows(cells, at), len(batch)
        at += len(batch)


def _rows(columns: list[list[str]], at: int) -> str:
    return "".join(
        [f'<row r="{n}">{"".join(cells)}</row>' for n, cells in enumerate(zip(*columns, strict=True), at)]
    )


def _cells(column: pa.Array, letter: str, at: int, *, loose: bool) -> list[str]:
    """The cells of a column, the first in row `at`; "" where there is no value."""
    if pa.types.is_string(column.type):
        return _loose(column, letter, at) if loose else _texts(column, letter, at)
    if pa.types.is_boolean(column.type):
        return [
            "" if v is None else f'<c r="{letter}{n}" t="b"><v>{v:d}</v></c>'
            for n, v in enumerate(column.to_pylist(), at)
        ]
    if pa.types.is_decimal(column.type):
        digits = column.cast(pa.string()).to_pylist()
        return [
            f'<c r="{letter}{n}"><v>{v}</v></c>' if v and _fits(v) else _odd(v, letter, n) if v else ""
            for n, v in enumerate(digits, at)
        ]
    if pa.types.is_integer(column.type):
        return [
            _number(v, letter, n)
            if v is None or -LARGEST_INTEGER < v < LARGEST_INTEGER
            else _odd(v, letter, n)
            for n, v in enumerate(column.to_pylist(), at)
        ]
    if pa.types.is_floating(column.type):
        return [
            _number(v, letter, n) if v is None or abs(v) < float("inf") else _odd(v, letter, n)
            for n, v in enumerate(column.to_pylist(), at)
        ]
    return [_moment(v, letter, n) for n, v in enumerate(column.to_pylist(), at)]


def _number(value: float | None, letter: str, n: int, style: str = "") -> str:
    return "" if value is None else f'<c r="{letter}{n}"{style}><v>{value!r}</v></c>'


def _moment(value: date | datetime | None, letter: str, n: int) -> str:
    """A date, or a time in UTC: a sheet has no zones, and counts days."""
    if value is None:
        return ""
    if value.year < FIRST_YEAR:
        return _odd(value.isoformat(), letter, n)
    if not isinstance(value, datetime):
        return _number((value - DAY_ZERO.date()).days, letter, n, DATE)
    moment = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return _number((moment - DAY_ZERO).total_seconds() / SECONDS_A_DAY, letter, n, MOMENT)


def _fits(decimal: str) -> bool:
    """Whether a sheet keeps all of its digits."""
    return len(decimal) <= DIGITS or len(decimal.partition("E")[0].replace(".", "").strip("-0")) <= DIGITS


def _odd(value: object, letter: str, n: int) -> str:
    """A value that no number can hold, as text."""
    return f'<c r="{letter}{n}" t="inlineStr"><is><t>{defused(str(value))}</t></is></c>'


def _loose(column: pa.Array, letter: str, at: int) -> list[str]:
    """Texts, of which those that are numbers are written as such."""
    numbers = are_numbers(column)
    if not pc.any(numbers).as_py():
        return _texts(column, letter, at)
    cells = _texts(column, letter, at)
    for n, number in enumerate(pc.if_else(numbers, column, None).to_pylist()):
        if number is not None:
            cells[n] = f'<c r="{letter}{at + n}"><v>{number}</v></c>'
    return cells


def _texts(column: pa.Array, letter: str, at: int) -> list[str]:
    return [
        f'<c r="{letter}{n}" t="inlineStr"><is><t xml:space="preserve">{v}</t></is></c>' if v else ""
        for n, v in enumerate(_escaped(_fitting(defused_column(column))).to_pylist(), at)
    ]


def _fitting(column: pa.Array) -> pa.Array:
    if (pc.max(pc.utf8_length(column)).as_py() or 0) <= LONGEST_TEXT // 2:
        return column
    return pa.array([v if v is None else _cut(v) for v in column.to_pylist()], pa.string())


def _cut(text: str) -> str:
    packed = text.encode("utf-16-le")
    if len(packed) <= 2 * LONGEST_TEXT:
        return text
    return packed[: 2 * (LONGEST_TEXT - 1)].decode("utf-16-le", "ignore") + "…"


def _escaped(column: pa.Array) -> pa.Array:
    """Texts as XML. What looks like an escape of Excel's own gets one; what no XML can hold becomes U+FFFD."""
    column = pc.replace_substring_regex(column, r"_(x[0-9A-Fa-f]{4}_)", r"_x005F_\1")
    for character, escape in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\r", "&#13;")):
        column = pc.replace_substring(column, character, escape)
    return pc.replace_substring_regex(column, r"[\x00-\x08\x0b\x0c\x0e-\x1f\x{FFFE}\x{FFFF}]", "\ufffd")


def _letters(column: int) -> str:
    """What a sheet calls its columns: A to Z, AA to ZZ, and so on."""
    found, left = "", column + 1
    while left:
        left, last = divmod(left - 1, 26)
        found = chr(ord("A") + last) + found
    return found
