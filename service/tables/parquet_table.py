"""Tables as Parquet, compressed by zstd."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from service.sandbox.child import Refusal
from service.tables.rows import BATCH, Rows, distinct, plain, simple

GROUP_ROWS, GROUP_BYTES = 65_536, 32 << 20
LARGEST_FOOTER = 64 << 20


def read(path: Path) -> Rows:
    """Read a file."""
    try:
        file = pq.ParquetFile(
            path, thrift_string_size_limit=LARGEST_FOOTER, thrift_container_size_limit=1_000_000
        )
    except (pa.ArrowInvalid, OSError) as error:
        raise Refusal("no_table", "The file can't be read as Parquet.") from error
    names = distinct(file.schema_arrow.names)
    kinds = [simple(pa.array([], field.type)).type for field in file.schema_arrow]
    return Rows(schema := pa.schema(list(zip(names, kinds, strict=True))), _batches(file, schema))


def _batches(file: pq.ParquetFile, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    try:
        for batch in file.iter_batches(batch_size=BATCH, use_threads=False):
            yield pa.record_batch([simple(column) for column in batch.columns], schema=schema)
    except (pa.ArrowInvalid, OSError) as error:
        message = "The file can't be read as Parquet, or holds numbers that are too large."
        raise Refusal("no_table", message) from error


def write(rows: Rows, path: Path) -> Iterator[int]:
    """Write a file, in groups of so many rows or bytes; gives the number of rows of each batch that is taken."""
    rows = plain(rows)
    with pq.ParquetWriter(path, rows.schema, compression="zstd") as writer:
        gathered: list[pa.RecordBatch] = []
        for batch in rows.batches:
            gathered.append(batch)
            if (
                sum(len(one) for one in gathered) >= GROUP_ROWS
                or sum(one.nbytes for one in gathered) >= GROUP_BYTES
            ):
                writer.write_table(pa.Table.from_batches(gathered))
                gathered.clear()
                pa.default_memory_pool().release_unused()  # else the process keeps twice as much
            yield len(batch)
        if gathered:
            writer.write_table(pa.Table.from_batches(gathered))
