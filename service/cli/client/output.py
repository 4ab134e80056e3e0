"""Data on stdout: as a table for people, or as json, jsonl, csv and names for programs."""

import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import islice
from typing import Any

from service.cli.client import harmless
from service.cli.client.shapes import Shape, at
from service.tables.cells import defused

WIDEST_CELL = 80
GAP = "  "
BOLD, RESET = "\x1b[1m", "\x1b[0m"
COLOURS = {"running": "\x1b[36m", "finished": "\x1b[32m", "failed": "\x1b[31m", "cancelled": "\x1b[33m"}


class Format(StrEnum):
    """How data is written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    NAME = "name"


def is_coloured() -> bool:
    """Whether stdout is a terminal that may have colours (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def show_many(rows: Iterable[Mapping[str, Any]], shape: Shape, output: Format) -> None:
    """Write many things; all but tables are written as they come."""
    match output:
        case Format.TABLE:
            _table(list(rows), shape)
        case Format.JSON:
            _array(rows)
        case Format.JSONL:
            for row in rows:
                put(_compact(row) + "\n")
        case Format.CSV:
            _csv(rows, shape)
        case Format.NAME:
            for row in rows:
                put(harmless.one_line(str(at(row, shape.name))) + "\n")


def show_row(row: Mapping[str, Any], shape: Shape, output: Format) -> None:
    """Write one thing: to programs as `show_one` does, to people in a line."""
    if output is Format.JSON:
        show_one(row, shape, output)
    else:
        show_many([row], shape, output)


def show_one(row: Mapping[str, Any], shape: Shape, output: Format) -> None:
    """Write one thing; for people, a line for each of its members that says something."""
    if output is Format.JSON:
        put(harmless.in_json(json.dumps(row, indent=2, ensure_ascii=False)) + "\n")
    elif output is not Format.TABLE:
        show_many([row], shape, output)
    else:
        told = {name: value for name, value in row.items() if value not in (None, "", [], {})}
        column = max((harmless.width(name) for name in told), default=0) + len(GAP)
        for name, value in told.items():
            text = harmless.lines(cell(value)).rstrip("\n").replace("\n", "\n" + " " * column)
            put(f"{harmless.one_line(name):{column}}{text}\n")


def put(text: str) -> None:
    """Write text to stdout, as UTF-8."""
    sys.stdout.write(text)


def cell(value: Any) -> str:
    """A value as one cell."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case list() if all(isinstance(one, str) for one in value):
            return ",".join(value)
        case _:
            return _compact(value) if isinstance(value, list | dict) else str(value)


def _compact(value: Any) -> str:
    return harmless.in_json(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _array(rows: Iterable[Mapping[str, Any]]) -> None:
    before = "[\n"
    for row in rows:
        text = harmless.in_json(json.dumps(row, indent=2, ensure_ascii=False))
        put(before + "  " + text.replace("\n", "\n  "))
        before = ",\n"
    put("[]\n" if before == "[\n" else "\n]\n")


def _csv(rows: Iterable[Mapping[str, Any]], shape: Shape) -> None:
    """Headings are the paths, so that programs know them from JSON; a spreadsheet runs nothing of it."""
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    writer.writerow(shape.columns.values())
    put(line.getvalue())
    for row in rows:
        line.seek(0)
        line.truncate()
        writer.writerow(defused(_plain(at(row, path))) for path in shape.columns.values())
        put(line.getvalue())


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else cell(value).replace("\0", "\u2400")


def _table(rows: Sequence[Mapping[str, Any]], shape: Shape) -> None:
    headings = list(shape.columns)
    cells = [[_cell_of(row, shape, heading) for heading in headings] for row in rows]
    used = [place for place, _ in enumerate(headings) if not rows or any(line[place] for line in cells)]
    widths = {
        place: max(harmless.width(text) for text in (headings[place], *(line[place] for line in cells)))
        for place in used
    }
    coloured, columns = is_coloured(), _columns()
    for number, line in enumerate([headings, *cells]):
        padded = [line[place] + " " * (widths[place] - harmless.width(line[place])) for place in used]
        text = GAP.join(padded).rstrip()
        if columns:
            text = harmless.cut(text, columns)
        if coloured:
            status = line[headings.index("STATUS")] if number and "STATUS" in headings else ""
            text = f"{BOLD}{text}{RESET}" if number == 0 else _painted(text, status)
        put(text + "\n")


def _painted(text: str, status: str) -> str:
    return text.replace(status, COLOURS[status] + status + RESET, 1) if status in COLOURS else text


def _cell_of(row: Mapping[str, Any], shape: Shape, heading: str) -> str:
    value = at(row, shape.columns[heading])
    text = shape.shown[heading](value) if heading in shape.shown else cell(value)
    return harmless.cut(harmless.one_line(text), WIDEST_CELL)


def _columns() -> int | None:
    """How wide the terminal is; None when there is none, and nothing is cut."""
    if not sys.stdout.isatty():
        return None
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except OSError:
        return None


def first(rows: Iterable[Any], most: int | None) -> Iterable[Any]:
    """At most so many of them; all when None."""
    return islice(rows, most)
