"""A table between two files: its columns, and its rows batch by batch."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from service.sandbox.child import Refusal

BATCH = 8_192
SAFE_INTEGER = 2**63 - 1
MOST_COLUMNS = 16_384  # of a sheet, and of any table here


@dataclass(frozen=True, slots=True)
class Rows:
    """Columns are boolean, int64, float64, decimal128, string, date32, timestamp, or, for JSON, anything that nests.

    `loose` says that the source knew no types: a text that is a number may be one.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    loose: bool = False


def plain(rows: Rows) -> Rows:
    """The same without nested columns: their cells become JSON texts."""
    if not any(pa.types.is_nested(field.type) for field in rows.schema):
        return rows
    schema = pa.schema(
        [pa.field(f.name, pa.string() if pa.types.is_nested(f.type) else f.type) for f in rows.schema]
    )

    def flatten(batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = [
            pa.array([_json(value) for value in column.to_pylist()], pa.string())
            if pa.types.is_nested(column.type)
            else column
            for column in batch.columns
        ]
        return pa.record_batch(columns, schema=schema)

    return Rows(schema, map(flatten, rows.batches), rows.loose)


def _json(value: object) -> str | None:
    return None if value is None else orjson.dumps(value, default=str).decode()


def simple(column: pa.Array) -> pa.Array:  # noqa: C901, PLR0911  a line for each kind of type
    """A column of any type as one of those of Rows."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return simple(column.dictionary_decode())
    if pa.types.is_integer(kind):
        return column.cast(pa.int64() if kind != pa.uint64() else pa.decimal128(20, 0))
    if pa.types.is_floating(kind):
        return column.cast(pa.float64())
    if pa.types.is_decimal(kind):
        # 38 digits are the most that other programs know.
        return column.cast(pa.decimal128(kind.precision, kind.scale) if kind.precision <= 38 else pa.string())  # noqa: PLR2004
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us", kind.tz), safe=False)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return pa.array([v if v is None else b64encode(v).decode() for v in column.to_pylist()], pa.string())
    if pa.types.is_boolean(kind) or pa.types.is_date32(kind) or pa.types.is_nested(kind):
        return column
    if pa.types.is_null(kind):
        return pa.nulls(len(column), pa.string())
    if pa.types.is_interval(kind):
        return pa.array([v if v is None else _duration(*v) for v in column.to_pylist()], pa.string())
    if isinstance(kind, pa.BaseExtensionType):
        return simple(column.storage)
    return column.cast(pa.date32() if pa.types.is_date64(kind) else pa.string())


def _duration(months: int, days: int, nanoseconds: int) -> str:
    """As ISO 8601 has it."""
    return f"P{months}M{days}DT{nanoseconds / 10**9:.9f}".rstrip("0").rstrip(".") + "S"


def texts(column: pa.Array) -> pa.Array:
    """Dates and moments as RFC 3339 texts; other columns as they are."""
    if pa.types.is_date32(column.type):
        return column.cast(pa.string())
    if pa.types.is_timestamp(column.type):
        zone = "Z" if column.type.tz else ""
        return pc.strftime(column, format=f"%Y-%m-%dT%H:%M:%S{zone}", locale="C")
    return column


class Kinds:
    """Finds out what a column is from its Python values, seen one by one."""

    def __init__(self) -> None:
        self._seen: set[type] = set()
        self._largest = 0

    def see(self, value: object) -> None:
        """Take one more value into account."""
        if value is not None:
            self._seen.add(type(value))
            if type(value) is int:
                self._largest = max(self._largest, abs(value))

    def type(self, known: Sequence[tuple[frozenset[type], pa.DataType]]) -> pa.DataType:
        """The first of the types that holds all that was seen; text holds anything."""
        if self._largest > SAFE_INTEGER:
            return pa.string()
        return next((kind for types, kind in known if self._seen and self._seen <= types), pa.string())


def batches_of(
    rows: Iterable[Sequence[Any]], schema: pa.Schema, text: Callable[[Any], str]
) -> Iterator[pa.RecordBatch]:
    """Make batches of rows of Python values; in a column of texts, `text` makes one of whatever is none."""
    kinds = [field.type for field in schema]
    gathered: list[Sequence[Any]] = []

    def made() -> pa.RecordBatch:
        columns = []
        for kind, cells in zip(kinds, zip(*gathered, strict=True), strict=True):
            if pa.types.is_string(kind):
                columns.append(pa.array([v if v is None or type(v) is str else text(v) for v in cells], kind))
            elif pa.types.is_floating(kind):
                columns.append(pa.array([v if v is None else float(v) for v in cells], kind))
            else:
                columns.append(pa.array(cells, kind))
        return pa.record_batch(columns, schema=schema)

    for row in rows:
        gathered.append(row)
        if len(gathered) == BATCH:
            yield made()
            gathered.clear()
    if gathered:
        yield made()


def distinct(names: Iterable[str]) -> list[str]:
    """The names of columns, each once: a second `a` becomes `a_2`, one without a name `column_3`."""
    found: dict[str, None] = {}
    for position, name in enumerate(names, 1):
        if position > MOST_COLUMNS:
            raise Refusal("no_table", f"The file has more than {MOST_COLUMNS} columns.")
        tried = wanted = name or f"column_{position}"
        number = 1
        while tried in found:
            number += 1
            tried = f"{wanted}_{number}"
        found[tried] = None
    if not found:
        raise Refusal("no_table", "The file holds no table: it has no columns.")
    return list(found)
