"""Records of a CSV file, one at a time, whatever the bytes: memory stays bounded and no record spoils another. Pure.

The csv module reads strictly, block by block. What it can't read is given as a Broken record:
- `too_long`: a line above MAX_RECORD; its rest is skipped unread;
- `unclosed_quote`, `bad_quoting`: a quote that is not closed, or text behind a closing one. What it swallowed until the
  error showed, MAX_RECORD at most, is read again line by line: one forgotten quote must not take its neighbours along;
- `not_utf8`, `nul_byte`: this record's bytes are no UTF-8, or hold what PostgreSQL can't store.
"""

import csv
import itertools
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

MAX_RECORD: Final = 1 << 20
BLOCK: Final = 1 << 18
SAMPLE: Final = 200  # bytes of a line that nobody could read, to find it again by

BOM: Final = b"\xef\xbb\xbf"
UNEXPECTED_END: Final = "unexpected end of data"  # the csv module's words for a quote that is still open

csv.field_size_limit(4 * MAX_RECORD)  # records are limited here, as a whole


@dataclass(frozen=True, slots=True)
class Broken:
    """A record that can't be taken. `cells`: as far as they could be told apart, else the raw text as the only one."""

    code: str
    cells: list[str]


def records(file: BinaryIO, delimiter: str) -> Iterator[list[str] | Broken]:
    """Give every record of the file, the header included; blank lines are left out."""
    rest = b""  # an open record, or a line that has not ended yet
    skipped: bytes | None = None  # the beginning of a line that is too long
    first = True
    while True:
        block = file.read(BLOCK)
        if first:
            block, first = block.removeprefix(BOM), False
        data = rest + block
        # A \r at the very end may be half of a \r\n.
        cut = max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1 if block else len(data)
        lines, rest = data[:cut].splitlines(keepends=True), data[cut:]
        # Only the first line can have begun before this block.
        if skipped is None and lines and len(lines[0]) > MAX_RECORD:
            skipped = lines[0][:SAMPLE]
        if skipped is not None and (lines or not block):
            yield Broken("too_long", [_text(skipped)])
            skipped, lines = None, lines[1:]
        elif skipped is not None:
            rest = b""
        open_at = yield from _read(lines, delimiter, MAX_RECORD - len(rest) if block else 0)
        if not block:
            return
        rest = b"".join(lines[open_at:]) + rest
        if len(rest) > MAX_RECORD:
            skipped, rest = rest[:SAMPLE], b""


def _read(lines: list[bytes], delimiter: str, room: int) -> Generator[list[str] | Broken, None, int]:
    """Give the records of these lines; return where one begins that is still open, and not longer than `room`."""
    start = 0  # the line where the record begins that is read next
    suspect = not _sound(b"".join(lines))
    reader = csv.reader(_decoded(lines), delimiter=delimiter, strict=True)
    while True:
        try:
            for cells in reader:
                end = reader.line_num
                if end - start > 1 and _size(lines[start:end]) > MAX_RECORD:
                    yield from _read_singly(lines[start:end], delimiter)
                elif suspect and not _sound(raw := b"".join(lines[start:end])):
                    yield _unsound(raw, cells)
                elif len(cells) > 1 or (cells and cells[0].strip()):
                    yield cells
                start = end
        except csv.Error as error:
            if str(error) == UNEXPECTED_END and _size(lines[start:]) <= room:
                return start
            # The reader goes on behind the line where it stopped.
            yield from _read_singly(lines[start : reader.line_num], delimiter)
            start = reader.line_num
        else:
            return len(lines)


def _read_singly(lines: list[bytes], delimiter: str) -> Iterator[list[str] | Broken]:
    """Take each line for a record of its own: a quote in them has gone wrong, and only its own line shall suffer."""
    for line in lines:
        try:
            for cells in csv.reader(_decoded([line]), delimiter=delimiter, strict=True):
                if not _sound(line):
                    yield _unsound(line, cells)
                elif len(cells) > 1 or (cells and cells[0].strip()):
                    yield cells
        except csv.Error as error:
            yield Broken("unclosed_quote" if str(error) == UNEXPECTED_END else "bad_quoting", [_text(line)])


def _unsound(raw: bytes, cells: list[str]) -> Broken:
    return Broken("nul_byte" if b"\0" in raw else "not_utf8", [_clean(cell) for cell in cells])


def _size(lines: list[bytes]) -> int:
    return sum(map(len, lines))


def _decoded(lines: list[bytes]) -> Iterator[str]:
    return map(str, lines, itertools.repeat("utf-8"), itertools.repeat("surrogateescape"))


def _sound(raw: bytes) -> bool:
    if b"\0" in raw:
        return False
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}").rstrip("\r\n")


def _clean(cell: str) -> str:
    return _text(cell.encode(errors="surrogateescape"))
