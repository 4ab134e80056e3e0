"""Records of a CSV file, one at a time, whatever the bytes: memory stays bounded and no record spoils another. Pure.

The csv module reads strictly, block by block. What it can't read is given as a Broken record:
- `too_long`: a line above MAX_RECORD; its rest is skipped unread;
- `unclosed_quote`: a quote that is not closed within MAX_RECORD or before the file's end. Only the line where the
  record began is given up, reading goes on with the next one: one forgotten quote must not swallow the file;
- `bad_quoting`: text behind a closing quote;
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
        if (
            skipped is None and lines and len(lines[0]) > MAX_RECORD
        ):  # only the first can have begun before this block
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
    while True:
        base = start
        reader = csv.reader(_decoded(lines[base:]), delimiter=delimiter, strict=True)
        try:
            for cells in reader:
                end = base + reader.line_num
                if end - start > 1 and sum(map(len, lines[start:end])) > MAX_RECORD:
                    yield Broken("unclosed_quote", [_text(lines[start])])
                    start += 1
                    break
                if suspect and not _sound(raw := b"".join(lines[start:end])):
                    yield Broken("nul_byte" if b"\0" in raw else "not_utf8", [_clean(cell) for cell in cells])
                elif len(cells) > 1 or (cells and cells[0].strip()):
                    yield cells
                start = end
            else:
                return len(lines)
        except csv.Error as error:
            end = base + reader.line_num
            if str(error) != UNEXPECTED_END:
                yield Broken("bad_quoting", [_text(b"".join(lines[start:end]))])
                start = end
            elif sum(map(len, lines[start:])) <= room:
                return start
            else:
                yield Broken("unclosed_quote", [_text(lines[start])])
                start += 1


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
