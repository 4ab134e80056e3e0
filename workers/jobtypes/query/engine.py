"""DuckDB, shut off from everything but one table. For a child process: it loads much, and may be killed by a query.

The file is read by us, into the table `input`. Then the engine is locked: no files, no network, no extensions, no
variables of this program, and no way to open it again. Only then is the query looked at.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from service.sandbox.child import Refusal
from service.tables.rows import BATCH, MOST_COLUMNS, Rows, distinct, simple

THREADS = 2
MEMORY = "512MiB"  # of what the engine counts; the process's own limit is for the rest
SPILL = "4GiB"  # on disk, when that memory is not enough
LONGEST_MESSAGE = 1_000

OPEN = {
    "threads": THREADS,
    "memory_limit": MEMORY,
    "temp_directory": "spill",
    "max_temp_directory_size": SPILL,
    "home_directory": "none",
    "extension_directory": "none",
    "secret_directory": "none",
    "allow_persistent_secrets": False,
    "TimeZone": "UTC",
    "enable_progress_bar": False,
}
LOCK = (
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET python_enable_replacements = false",
    "SET python_scan_all_frames = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
TOO_LARGE = Refusal(
    "query_too_large",
    f"The query needs more than the {MEMORY} of memory and {SPILL} of disk that it may have.",
)


def loaded(source: Path, own: str) -> tuple[duckdb.DuckDBPyConnection, int]:
    """An engine with the file, of format `own`, as its table `input`, locked; and how many rows that has."""
    rows: Rows = import_module(f"service.tables.{own}_table").read(source)
    if not rows.schema.names:
        raise Refusal("no_table", "The file holds no table: it has no columns.")
    connection = duckdb.connect(":memory:")
    for name, value in OPEN.items():
        connection.execute(f"SET {name} = '{value}'")
    count = 0
    with told():
        connection.register("incoming", rows.schema.empty_table())
        connection.execute("CREATE TABLE input AS FROM incoming")
        connection.unregister("incoming")
        for batch in rows.batches:
            columns = [_without_blanks(one) for one in batch.columns] if rows.loose else batch.columns
            connection.register("incoming", pa.table(columns, schema=rows.schema))
            connection.execute("INSERT INTO input FROM incoming")
            connection.unregister("incoming")
            count += len(batch)
        for statement in LOCK:
            connection.execute(statement)
    return connection, count


def _without_blanks(column: pa.Array) -> pa.Array:
    """Texts of a CSV, in which an empty cell is no value."""
    if not pa.types.is_string(column.type):
        return column
    return pc.if_else(pc.equal(column, ""), None, column)


def result(connection: duckdb.DuckDBPyConnection, sql: str) -> Rows:
    """The rows that a query has, as they come. Raises Refusal."""
    with told():
        statement = _one_select(connection, sql)
        reader = connection.sql(statement).to_arrow_reader(BATCH)
        if len(reader.schema) > MOST_COLUMNS:
            raise Refusal("query_too_large", f"The result has more than {MOST_COLUMNS} columns.")
    kinds = [_kind(field) for field in reader.schema]
    schema = pa.schema(list(zip(distinct(reader.schema.names), kinds, strict=True)))
    return Rows(schema, _batches(reader, schema))


def _kind(field: pa.Field) -> pa.DataType:
    try:
        return simple(pa.array([], field.type)).type
    except pa.ArrowException:
        message = f'The column "{field.name}" is of a type that no file can hold: cast it to VARCHAR.'
        raise Refusal("query_failed", message) from None


def _one_select(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise Refusal(
            "query_refused", f"One statement is run, and the text holds {len(statements) or 'none'}."
        )
    if (word := _word(statements[0])) != "SELECT":
        raise Refusal("query_refused", f"Only a SELECT is run, and this is {word}.")
    return statements[0]


def _word(statement: duckdb.Statement) -> str:
    """What kind of statement it is."""
    try:
        return str(statement.type.name)
    except ValueError:  # the engine knows kinds that its library for Python does not
        return "another statement"


def _batches(reader: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    while True:
        with told():
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
            made = pa.record_batch([simple(column) for column in batch.columns], schema=schema)
        yield made


@contextmanager
def told() -> Iterator[None]:
    """Tell what the engine says against a query as a Refusal."""
    try:
        yield
    except (duckdb.OutOfMemoryException, MemoryError, pa.ArrowMemoryError):
        raise TOO_LARGE from None
    except (duckdb.Error, pa.ArrowException, OSError, UnicodeError) as error:  # Arrow wraps what comes late
        raise _refusal(str(error)) from None


def _refusal(text: str) -> Refusal:
    if "Out of Memory Error" in text:
        return TOO_LARGE
    if "No space left" in text:
        return Refusal("storage_full", "There is no room left for the query's work.")
    code = "query_refused" if "Permission Error" in text else "query_failed"
    return Refusal(code, text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}…")
