"""Reading a file of dues, in a process of its own (workers/sandbox.py): a path in, an Opening and batches out.

Where a batch ends depends on nothing but the file: a later attempt finds the same batches and the same rejected rows.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple, Self

import orjson

from service.sandbox.child import Refusal
from workers.jobtypes.dovuti.records import Broken, records
from workers.jobtypes.dovuti.rejected import RejectedLines
from workers.jobtypes.dovuti.rows import COLUMNS, REQUIRED, Rules, copy_line
from workers.jobtypes.dovuti.seen import Seen

ROWS: Final = 10_000  # a batch, and
SIZE: Final = 4 << 20  # bytes of its cells that it stops at, as rejected rows can be long

BROKEN: Final = {
    "too_long": "the line is longer than 1 MiB",
    "unclosed_quote": "a quote that is opened here is not closed",
    "bad_quoting": "there is text between a closing quote and the next separator",
    "not_utf8": "the row holds bytes that are no UTF-8",
    "nul_byte": "the row holds NUL characters",
}
DUPLICATE: Final = ("duplicate", "there is a due with this notice_number already")

_LENGTH = struct.Struct(">I")


class Opening(NamedTuple):
    """The first item: rejected.csv's first line, and how many rows the file has by its line ends."""

    head: str
    expected: int

    def encode(self) -> bytes:
        """As bytes."""
        return orjson.dumps(tuple(self))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Of `encode`'s bytes."""
        return cls(*orjson.loads(data))


@dataclass(slots=True)
class Batch:
    """What came of some rows, the last of which is `last_row`."""

    lines: bytes = b""  # the good rows for COPY, in update the last one of a notice number, else the first
    good: int = 0  # how many these are
    last_row: int = 0
    position: int = 0  # bytes of the file read so far
    rejected: list[tuple[int, str]] = field(default_factory=list)  # row, line of rejected.csv
    # Good rows, one for each notice number: row, notice number, its line of rejected.csv should the due be there.
    # Only told where somebody asks: to reject, and to validate.
    candidates: list[tuple[int, str, str]] = field(default_factory=list)
    repeated: int = 0  # further good rows of such a notice number, to be updated or skipped

    def encode(self) -> bytes:
        """As bytes."""
        facts = orjson.dumps(
            (self.good, self.last_row, self.position, self.rejected, self.candidates, self.repeated)
        )
        return b"".join((_LENGTH.pack(len(facts)), facts, self.lines))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Of `encode`'s bytes."""
        end = _LENGTH.size + _LENGTH.unpack_from(data)[0]
        return cls(data[end:], *orjson.loads(data[_LENGTH.size : end]))


def parse(path: str, today: str, on_duplicate: str, prefix: str | None, after: int) -> Iterator[bytes]:
    """Read the file: an Opening, then batches, encoded.

    `today` is an ISO date. `prefix` begins each line for COPY; None is to validate only: then there are no lines,
    and a notice number is a repeated one wherever in the file it stood before. The rows up to `after` were imported
    by an earlier attempt: of them come only rejected rows and, to reject, candidates. Raises Refusal for a file
    that can't be read.
    """
    delimiter, header = _header(path)
    rejected = RejectedLines(header, delimiter)
    yield Opening(rejected.head, _expected_rows(path)).encode()
    rules = Rules(_names(header), date.fromisoformat(today))
    gather = _Gather(rules, rejected, on_duplicate, validate_only=prefix is None)
    row = told = 0
    with Path(path).open("rb") as file:
        rows = records(file, delimiter)
        next(rows)  # the header
        for row, cells in enumerate(rows, 1):
            gather.take(row, cells)
            if row % ROWS == 0 or gather.size > SIZE or row == after:
                yield gather.batch(row, file.tell(), prefix if row > after else None).encode()
                told = row
        if row > told:
            yield gather.batch(row, file.tell(), prefix if row > after else None).encode()


class _Gather:
    """Takes rows and makes batches of them."""

    def __init__(
        self, rules: Rules, rejected: RejectedLines, on_duplicate: str, *, validate_only: bool
    ) -> None:
        self._rules = rules
        self._rejected = rejected
        self._on_duplicate = on_duplicate
        self._seen = Seen() if validate_only else None
        self._tells_candidates = validate_only or on_duplicate == "reject"
        self._begin()

    def _begin(self) -> None:
        self.size = 0
        self._next = Batch()
        self._dues: dict[str, str] = {}  # line by notice number

    def take(self, row: int, cells: list[str] | Broken) -> None:
        """Judge one row."""
        if isinstance(cells, Broken):
            self._reject(row, cells.cells, cells.code, BROKEN[cells.code])
            return
        due = self._rules.judge(cells)
        if isinstance(due, list):
            self._reject(row, cells, due[0].code, "; ".join(fault.text for fault in due))
        elif due[0] in self._dues or (self._seen and not self._seen.add(int(due[0]))):
            if self._on_duplicate == "reject":
                self._reject(row, cells, *DUPLICATE)
            else:
                self._next.repeated += 1
                if self._on_duplicate == "update":
                    self._dues[due[0]] = copy_line(due)
        else:
            self._dues[due[0]] = copy_line(due)
            if self._tells_candidates:
                refusal = self._rejected.line(cells, row, *DUPLICATE)
                self.size += len(refusal)
                self._next.candidates.append((row, due[0], refusal))

    def _reject(self, row: int, cells: list[str], code: str, reasons: str) -> None:
        line = self._rejected.line(cells, row, code, reasons)
        self.size += len(line)
        self._next.rejected.append((row, line))

    def batch(self, last_row: int, position: int, prefix: str | None) -> Batch:
        """The batch that ends here."""
        made, dues = self._next, self._dues
        made.last_row, made.position = last_row, position
        if prefix is not None and dues:
            made.good = len(dues)
            made.lines = "".join([f"{prefix}{line}\n" for line in dues.values()]).encode()
        self._begin()
        return made


def _header(path: str) -> tuple[str, list[str]]:
    """The separator and the header's cells; raises Refusal where there is no header to work with."""
    found: list[tuple[int, str, list[str]]] = []
    for delimiter in ",;":
        with Path(path).open("rb") as file:
            first = next(records(file, delimiter), None)
        if first is None:
            raise Refusal("no_header", "The file is empty: it has no header row.")
        if not isinstance(first, Broken):
            found.append((len(set(COLUMNS).intersection(_names(first))), delimiter, first))
    if not found:
        raise Refusal(
            "unreadable", "The file can't be read as CSV in UTF-8: its header row is no text, or has no end."
        )
    _, delimiter, header = max(found, key=lambda one: one[0])
    names = _names(header)
    if missing := [column for column in REQUIRED if column not in names]:
        raise Refusal("missing_column", f"The file misses required columns: {', '.join(missing)}.")
    if twice := [column for column in COLUMNS if names.count(column) > 1]:
        raise Refusal("duplicate_column", f"The file has columns more than once: {', '.join(twice)}.")
    return delimiter, header


def _names(header: list[str]) -> list[str]:
    return [name.strip().lower() for name in header]


def _expected_rows(path: str) -> int:
    """About how many rows the file has: its line ends outside of quotes, less the header's."""
    lines, quoted, last = 0, False, b""
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            for part in block.split(b'"'):
                lines += 0 if quoted else part.count(b"\n")
                quoted = not quoted
            quoted = not quoted  # a block's last part ends with no quote
            last = block[-1:]
    return lines if last != b"\n" else lines - 1
