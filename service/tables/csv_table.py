"""Tables as CSV: UTF-8, a header row, every text quoted, nothing that a spreadsheet would run.

Texts that are numbers are read as numbers where the whole column is of such (columns.are_numbers says what one is).
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from service.sandbox.child import Refusal
from service.tables.cells import defused
from service.tables.columns import are_numbers, defused_column
from service.tables.rows import Rows, distinct, plain, texts

LONGEST_CELL = 16 << 20
BLOCK = 2 << 20


def read(path: Path) -> Rows:
    """Read a file, twice: to see what its columns are, and for its rows."""
    delimiter, names, has_rows = _header(path)
    if not has_rows:
        return Rows(pa.schema([(name, pa.string()) for name in names]), iter(()))
    kinds = _kinds(path, delimiter, names)
    schema = pa.schema(list(zip(names, kinds, strict=True)))
    return Rows(schema, _batches(path, delimiter, names, dict(zip(names, kinds, strict=True))), loose=True)


def write(rows: Rows, path: Path) -> Iterator[int]:
    """Write a file; gives the number of rows of each batch that is written."""
    rows = plain(rows)
    if not rows.schema.names:
        path.touch()
        return
    schema = pa.schema(
        [
            pa.field(defused(f.name), f.type if not pa.types.is_temporal(f.type) else pa.string())
            for f in rows.schema
        ]
    )
    options = pacsv.WriteOptions(quoting_style="all_valid")
    with pacsv.CSVWriter(path, schema, write_options=options) as writer:
        for batch in rows.batches:
            columns = [_safe(texts(column)) for column in batch.columns]
            writer.write_batch(pa.record_batch(columns, schema=schema))
            yield len(batch)


def _safe(column: pa.Array) -> pa.Array:
    return defused_column(column) if pa.types.is_string(column.type) else column


def _header(path: Path) -> tuple[str, list[str], bool]:
    """The separator that makes the most of the first row, that row's cells, and whether there are more rows."""
    csv.field_size_limit(LONGEST_CELL)
    found: list[tuple[int, str, list[str], bool]] = []
    for delimiter in ",;\t":
        with path.open(encoding="utf-8-sig", newline="") as file:
            try:
                rows = csv.reader(file, delimiter=delimiter)
                first, second = next(rows, []), next(rows, None)
            except (csv.Error, UnicodeDecodeError):
                raise Refusal("no_table", "The file can't be read as CSV in UTF-8.") from None
        found.append((len(first), delimiter, first, second is not None))
    _, delimiter, names, has_rows = max(found, key=lambda one: one[0])
    return delimiter, distinct(names), has_rows


def _kinds(path: Path, delimiter: str, names: list[str]) -> list[pa.DataType]:
    found: list[pa.DataType | None] = [None] * len(names)  # None: only empty cells so far
    for batch in _batches(path, delimiter, names, dict.fromkeys(names, pa.string())):
        for n, column in enumerate(batch.columns):
            if found[n] != pa.string():
                found[n] = _kind(column.filter(pc.greater(pc.binary_length(column), 0)), found[n])
    return [kind or pa.string() for kind in found]


def _kind(cells: pa.Array, before: pa.DataType | None) -> pa.DataType | None:
    """What a column is by these cells, none of which is empty, and by those before."""
    if not len(cells):
        return before
    if not pc.all(are_numbers(cells)).as_py():
        return pa.string()
    with_point = before == pa.float64() or pc.any(pc.match_substring_regex(cells, "[.e]")).as_py()
    return pa.float64() if with_point else pa.int64()


def _batches(
    path: Path, delimiter: str, names: list[str], kinds: dict[str, pa.DataType]
) -> Iterator[pa.RecordBatch]:
    try:
        yield from pacsv.open_csv(
            path,
            read_options=pacsv.ReadOptions(
                use_threads=False, block_size=BLOCK, column_names=names, skip_rows_after_names=1
            ),
            parse_options=pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                column_types=kinds,
                null_values=[""],
                strings_can_be_null=False,
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        raise Refusal(
            "no_table",
            "The file is no table in CSV: its rows differ, are longer than 2 MiB, or hold no UTF-8.",
        ) from error
