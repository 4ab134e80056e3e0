"""Tables as JSON: an array of objects, a line each. Read piece by piece, so that its size does not matter."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, TextIO, cast

import orjson
import pyarrow as pa

from service.sandbox.child import Refusal
from service.tables.rows import MOST_COLUMNS, Kinds, Rows, batches_of, distinct, texts

PIECE = 1 << 20
LONGEST_ROW = 16 << 20
_blanks = re.compile(r"[ \t\r\n]*")
KNOWN = (
    (frozenset({bool}), pa.bool_()),
    (frozenset({int}), pa.int64()),
    (frozenset({int, float}), pa.float64()),
)


def read(path: Path) -> Rows:
    """Read a file, twice: to see what its columns are, and for its rows."""
    columns: dict[str, Kinds] = {}
    for row in _rows(path):
        for name, value in row.items():
            if (kinds := columns.get(name)) is None:
                kinds = columns[name] = Kinds()
                if len(columns) > MOST_COLUMNS:
                    distinct(columns)
            kinds.see(value)
    keys = list(columns)
    if not keys:
        return Rows(pa.schema([]), iter(()))
    types = [kinds.type(KNOWN) for kinds in columns.values()]
    schema = pa.schema(list(zip(distinct(keys), types, strict=True)))
    return Rows(schema, batches_of((list(map(row.get, keys)) for row in _rows(path)), schema, _text))


def write(rows: Rows, path: Path) -> Iterator[int]:
    """Write a file; gives the number of rows of each batch that is written."""
    names = rows.schema.names
    before = b"["
    with path.open("wb") as file:
        for batch in rows.batches:
            columns = [_cells(column) for column in batch.columns]
            for row in zip(*columns, strict=True):
                file.write(before + b"\n" + orjson.dumps(dict(zip(names, row, strict=True)), default=str))
                before = b","
            yield len(batch)
        file.write((b"[" if before == b"[" else b"") + b"\n]\n")


def _cells(column: pa.Array) -> list[Any]:
    """What becomes of a column in JSON; a decimal is a number with all of its digits."""
    if pa.types.is_decimal(column.type):
        digits = column.cast(pa.string()).to_pylist()
        return [None if number is None else orjson.Fragment(number) for number in digits]
    return cast("list[Any]", texts(column).to_pylist())


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of the array."""
    with path.open(encoding="utf-8-sig") as file:
        text = _Text(file)
        if text.take() != "[":
            _refuse()
        begins = text.take()
        while begins != "]":
            if begins != "{":
                _refuse()
            yield text.taken_object()
            begins = text.take()
            if begins == ",":
                begins = text.take()
                if begins == "]":
                    _refuse()
            elif begins != "]":
                _refuse()
        if text.take():
            _refuse()


class _Text:
    """A text that is read as far as it is needed."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._text, self._at = "", 0
        self._decode = json.JSONDecoder(parse_constant=_refuse).raw_decode

    def take(self) -> str:
        """The next character that is no blank; "" at the end."""
        while True:
            if blanks := _blanks.match(self._text, self._at):
                self._at = blanks.end()
            if self._at < len(self._text):
                self._at += 1
                return self._text[self._at - 1]
            if not self._read():
                return ""

    def taken_object(self) -> dict[str, Any]:
        """The object whose first brace was just taken."""
        self._at -= 1
        while True:
            try:
                row, self._at = self._decode(self._text, self._at)
            except ValueError:
                if len(self._text) - self._at > LONGEST_ROW or not self._read():
                    _refuse()
            except RecursionError:
                _refuse()
            else:
                return cast("dict[str, Any]", row)

    def _read(self) -> bool:
        piece = self._file.read(PIECE)
        self._text, self._at = self._text[self._at :] + piece, 0
        return bool(piece)


def _refuse(_constant: str = "") -> NoReturn:
    raise Refusal("no_table", "The file is no table in JSON, which is an array of objects.")
