"""Measure how long a sheet of Excel takes: written by us, and by XlsxWriter, which is no dependency of ours.

    .venv/bin/python -m pip install XlsxWriter
    python -m benchmarks.xlsx [--rows 200000]

Both get the same Arrow table of eight columns, defuse its texts, and pack as little as we do; XlsxWriter also as it is
(zlib's level 6), in its mode for large files. Each runs three times in a process of its own; shown are the medians.
"""

import argparse
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa

from service.tables import xlsx_sheet
from service.tables.cells import defused
from service.tables.rows import BATCH, Rows

WAYS = ("ours", "XlsxWriter", "XlsxWriter, level 2")


def table(rows: int) -> pa.Table:
    """Dues: four columns of texts, two of numbers, a date and a truth."""
    draw = random.Random(1)
    numbers = range(rows)
    return pa.table(
        {
            "notice_number": [f"3{draw.randrange(10**17):017d}" for _ in numbers],
            "amount": [round(draw.random() * 1_000, 2) for _ in numbers],
            "row": list(numbers),
            "reason": [f"Tassa rifiuti {n % 30 + 2000} & <altro>, rata {n}" for n in numbers],
            "created_at": [date(2026, 1, 1) + timedelta(days=draw.randrange(300)) for _ in numbers],
            "payer_name": [draw.choice(("Anna Rossi", "Marco Verdi", "=cmd()", "Città")) for _ in numbers],
            "payer_email": [f"user{n}@example.org" for n in numbers],
            "paid": [draw.random() < 0.5 for _ in numbers],
        }
    )


def by_us(made: pa.Table, path: Path) -> None:
    for _ in xlsx_sheet.write(Rows(made.schema, iter(made.to_batches(max_chunksize=BATCH))), path):
        pass


def by_xlsxwriter(made: pa.Table, path: Path) -> None:
    import xlsxwriter  # noqa: PLC0415 - not installed with us

    with xlsxwriter.Workbook(str(path), {"constant_memory": True}) as book:
        sheet, day = book.add_worksheet(), book.add_format({"num_format": "yyyy-mm-dd"})

        def text(row: int, column: int, value: str) -> None:
            sheet.write_string(row, column, defused(value))

        def moment(row: int, column: int, value: date) -> None:
            sheet.write_datetime(row, column, value, day)

        number, truth = sheet.write_number, sheet.write_boolean
        writes = (text, number, number, text, moment, text, text, truth)
        for column, name in enumerate(made.schema.names):
            text(0, column, name)
        row = 0
        for batch in made.to_batches(max_chunksize=BATCH):
            for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                row += 1
                for column, value in enumerate(values):
                    writes[column](row, column, value)


def one(way: str, rows: int) -> None:
    """Write one file; print seconds, MiB of the file, MiB of memory."""
    made = table(rows)
    if way == WAYS[2]:
        zipfile.ZipFile = partial(zipfile.ZipFile, compresslevel=xlsx_sheet.LITTLE)  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.xlsx"
        began = time.perf_counter()
        (by_us if way == WAYS[0] else by_xlsxwriter)(made, path)
        seconds = time.perf_counter() - began
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(seconds, path.stat().st_size / 2**20, memory)


def compare(rows: int) -> None:
    found: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    for _ in range(3):
        for way, ran in found.items():
            command = [sys.executable, "-m", "benchmarks.xlsx", "--rows", str(rows), "--way", way]
            said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            ran.append([float(word) for word in said.split()])
    ours = statistics.median(ran[0] for ran in found[WAYS[0]])
    for way, ran in found.items():
        seconds, file, memory = map(statistics.median, zip(*ran, strict=True))
        print(
            f"{way:20} {seconds:5.1f} s ({seconds / ours:.1f} x)  file {file:.1f} MiB  memory {memory:.0f} MiB"
        )


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--rows", type=int, default=200_000)
    arguments.add_argument("--way", choices=WAYS)
    given = arguments.parse_args()
    if given.way is None:
        compare(given.rows)
    else:
        one(given.way, given.rows)
