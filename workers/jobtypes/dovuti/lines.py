"""The lines of export_dovuti's COPY (CSV, without a header) as a table. For a child process: it loads much."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv

from service.tables.rows import Rows

BLOCK = 1 << 20
# The columns of export_dovuti.DUES.
SCHEMA = pa.schema(
    [
        ("service_id", pa.string()),
        ("notice_number", pa.string()),
        ("iuv", pa.string()),
        ("amount", pa.decimal128(14, 2)),
        ("reason", pa.string()),
        ("created_at", pa.date32()),
        ("expire_at", pa.date32()),
        ("status", pa.string()),
        ("payer_type", pa.string()),
        ("payer_tax_identification_number", pa.string()),
        ("payer_name", pa.string()),
        ("payer_email", pa.string()),
    ]
)


def read(path: Path) -> Rows:
    """Read the lines, piece by piece; a cell that is empty and has no quotes is null."""
    if not path.stat().st_size:
        return Rows(SCHEMA, iter(()))
    batches = pacsv.open_csv(
        path,
        read_options=pacsv.ReadOptions(use_threads=False, block_size=BLOCK, column_names=SCHEMA.names),
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            column_types=SCHEMA, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )
    return Rows(SCHEMA, iter(batches))
