"""Tables as sheets of Excel: the first sheet is read, whose first row has the names; one sheet is written.

What a sheet can't hold is refused, save that numbers with too many digits become texts, that a text which is too long
for a cell is cut, and ends with an ellipsis, and that control characters become U+FFFD.
"""

import zipfile
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pyarrow as pa
from python_calamine import CalamineError, CalamineWorkbook

from service.sandbox.child import Refusal
from service.tables.cells import DIGITS
from service.tables.rows import Kinds, Rows, batches_of, distinct
from service.tables.xlsx_sheet import write

LARGEST_NUMBER = 10**DIGITS
# Of a sheet of figures, packed ten times smaller; a bomb is packed a thousand times.
LARGEST_UNPACKED, LARGEST_RATIO, MOST_PARTS = 2 << 30, 200, 10_000
SMALL = 16 << 20  # may have any ratio

__all__ = ["read", "write"]

KNOWN = (
    (frozenset({bool}), pa.bool_()),
    (frozenset({int}), pa.int64()),
    (frozenset({int, float}), pa.float64()),
    (frozenset({date}), pa.date32()),
    (frozenset({date, datetime}), pa.timestamp("us")),
)


def read(path: Path) -> Rows:
    """Read a file. The library holds the whole sheet in memory."""
    _refuse_bomb(path)
    try:
        sheet = CalamineWorkbook.from_path(path).get_sheet_by_index(0)
    except (CalamineError, IndexError) as error:
        raise Refusal("no_table", "The file can't be read as a sheet of Excel.") from error
    rows = sheet.iter_rows()
    names = distinct(str(name).strip() for name in next(rows, []))
    kinds = [Kinds() for _ in names]
    for row in rows:
        for kind, value in zip(kinds, row, strict=True):
            kind.see(_value(value))
    schema = pa.schema([(name, kind.type(KNOWN)) for name, kind in zip(names, kinds, strict=True)])
    again = sheet.iter_rows()
    next(again, None)
    return Rows(schema, batches_of((list(map(_value, row)) for row in again), schema, _text))


def _value(cell: Any) -> Any:
    """A cell's value; a sheet knows no integers, and an empty cell is an empty text."""
    if type(cell) is float and cell.is_integer() and abs(cell) < LARGEST_NUMBER:
        return int(cell)
    return None if cell == "" else cell


def _text(value: Any) -> str:
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else str(value)


def _refuse_bomb(path: Path) -> None:
    """Refuse what would unpack to much; one that lies about it ends at the process's memory."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise Refusal("no_table", "The file can't be read as a sheet of Excel.") from error
    unpacked = sum(part.file_size for part in parts)
    ratio = unpacked / max(path.stat().st_size, 1)
    if len(parts) > MOST_PARTS or unpacked > LARGEST_UNPACKED or (unpacked > SMALL and ratio > LARGEST_RATIO):
        raise Refusal("too_large", "The file would unpack to far more than it may.")
