"""Reading files of dues, whatever their bytes: records, batches, and the lines of rejected.csv."""

import csv
import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.sandbox.child import Refusal
from service.tables.cells import defused
from workers.jobtypes.dovuti import parse as parsing
from workers.jobtypes.dovuti.parse import Batch, Opening, parse
from workers.jobtypes.dovuti.records import BLOCK, MAX_RECORD, Broken, records
from workers.jobtypes.dovuti.rejected import RejectedLines
from workers.jobtypes.dovuti.rows import COLUMNS
from workers.jobtypes.dovuti.seen import Seen

HEADER = ",".join(COLUMNS)


def row(number: int, **changed: str) -> str:
    cells = {
        "notice_number": f"3{number:017}",
        "iuv": "",
        "amount": "10.00",
        "reason": "Mensa",
        "created_at": "",
        "expire_at": "",
        "payer_type": "",
        "payer_tax_identification_number": "RCCMNL83S18D969H",
        "payer_name": "",
        "payer_email": "",
    }
    return ",".join((cells | changed).values())


def read(data: bytes, delimiter: str = ",") -> list[list[str] | tuple[str, list[str]]]:
    return [
        (record.code, record.cells) if isinstance(record, Broken) else record
        for record in records(io.BytesIO(data), delimiter)
    ]


Parsed = tuple[Opening, list[Batch]]


class Parser(Protocol):
    def __call__(
        self, data: bytes | str, *, on_duplicate: str = "update", prefix: str | None = "1\t", after: int = 0
    ) -> Parsed: ...


@pytest.fixture
def parsed(tmp_path: Path) -> Parser:
    """Parses a file of these bytes."""

    def parsed(
        data: bytes | str, *, on_duplicate: str = "update", prefix: str | None = "1\t", after: int = 0
    ) -> Parsed:
        path = tmp_path / "dovuti.csv"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        first, *others = parse(str(path), "2026-11-22", on_duplicate, prefix, after)
        return Opening.decode(first), [Batch.decode(one) for one in others]

    return parsed


def rejected(opening: Opening, batches: Sequence[Batch]) -> list[dict[str, str]]:
    text = opening.head + "".join(line for batch in batches for _, line in batch.rejected)
    return list(csv.DictReader(io.StringIO(text, newline="")))


def notices(batches: Sequence[Batch]) -> list[int]:
    return [int(line.split("\t")[1][1:]) for batch in batches for line in batch.lines.decode().splitlines()]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", []),
        (b"\n\r\n  \n\t\n", []),
        (b"a,b\nc,d", [["a", "b"], ["c", "d"]]),
        (b"a,b\r\nc,d\r\n", [["a", "b"], ["c", "d"]]),
        (b"a,b\rc,d\r", [["a", "b"], ["c", "d"]]),
        (b"\xef\xbb\xbfa,b\n", [["a", "b"]]),
        (b'"a, ""x""\nb",c\n', [['a, "x"\nb', "c"]]),
        (b"a\n\n \nb,\n", [["a"], ["b", ""]]),
        (b"a,\x85\n", [("not_utf8", ["a", "\ufffd"])]),
        ("a,\u2028\x0b\x0c\x1c\x85b\n".encode(), [["a", "\u2028\x0b\x0c\x1c\x85b"]]),
        (b"a,b\xe0\nc,d\n", [("not_utf8", ["a", "b\ufffd"]), ["c", "d"]]),
        (b"a,\xed\xa0\x80\n", [("not_utf8", ["a", "\ufffd\ufffd\ufffd"])]),
        (b"a,b\0c\nd\n", [("nul_byte", ["a", "b\ufffdc"]), ["d"]]),
        (b'a,"b"c,d\ne\n', [("bad_quoting", ['a,"b"c,d']), ["e"]]),
        (
            b'a,"b\nc,d\ne,"f, g"\nh,i\n',
            [("unclosed_quote", ['a,"b']), ["c", "d"], ["e", "f, g"], ["h", "i"]],
        ),
        (b'a,"b\nc,d\ne,f\n', [("unclosed_quote", ['a,"b']), ["c", "d"], ["e", "f"]]),
        (b'a,b"c\n', [["a", 'b"c']]),
    ],
)
def test_records_are_read_and_broken_ones_stop_nothing(data: bytes, found: list[list[str]]) -> None:
    assert read(data) == found


def test_a_line_that_is_too_long_is_left_out_alone() -> None:
    long = b"x" * (MAX_RECORD + 1)
    assert read(b"a\n" + long + b"\nb\n") == [["a"], ("too_long", ["x" * 200]), ["b"]]
    assert read(b"a\n" + b"x" * (10 * MAX_RECORD)) == [["a"], ("too_long", ["x" * 200])]
    assert read(b'a\n"' + long + b"\nb\n") == [["a"], ("too_long", ['"' + "x" * 199]), ["b"]]
    assert read(b"x" * (MAX_RECORD - 1) + b"\nb\n")[1] == ["b"]


@pytest.mark.parametrize("lines", [3, 40_000, 200_000])
def test_a_quote_that_is_never_closed_costs_its_own_line_alone(lines: int) -> None:
    found = read(b'a,"b\n' + b"c,d\n" * lines)
    assert found[0] == ("unclosed_quote", ['a,"b'])
    assert found[1:] == [["c", "d"]] * lines


def test_a_quoted_record_may_span_blocks_but_not_grow_without_end() -> None:
    inner = "line\n" * (BLOCK // 2)
    assert read(f'a\n"{inner}",b\nc\n'.encode()) == [["a"], [inner, "b"], ["c"]]
    too_much = "line\n" * (MAX_RECORD // 5 + 1)
    found = read(f'a\n"{too_much}",b\nc\n'.encode())
    assert found[1] == ("unclosed_quote", ['"line'])
    assert found[2] == ["line"]
    assert found[-1] == ["c"]


HOSTILE = {
    "one line": b"x" * (20 << 20),
    "a quote that is never closed": b'"' + b"x\n" * (1 << 17),
    "a quote in each line": b'a,"b\n' * (1 << 17),
    "quotes that close and open": b'a",b,"c\n' * (1 << 17),
    "no UTF-8": b"\xff\n" * (1 << 17),
    "nothing": b"\n" * (1 << 20),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_memory_and_time_stay_small_whatever_is_read(data: bytes) -> None:
    with subprocess.Popen(  # in a process of its own, for its own peak
        [sys.executable, "-c", PEAK], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        peak = int(process.communicate(data, timeout=60)[0])
    assert peak < 120 << 10


PEAK = """
import sys
from pathlib import Path
from workers.jobtypes.dovuti.records import records
for _ in records(sys.stdin.buffer, ","):
    pass
status = Path("/proc/self/status").read_text()
print(status.partition("VmHWM:")[2].split()[0])
"""


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@settings(deadline=None)
@given(st.lists(st.lists(texts, min_size=2, max_size=4), max_size=20), st.sampled_from(",;"))
@example([["\r", "\n"], ['"', "\r\n"]], ";")
def test_what_the_csv_module_writes_is_read_back(rows: list[list[str]], delimiter: str) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(rows)
    assert read(file.getvalue().encode(), delimiter) == rows


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    for record in records(io.BytesIO(data), ","):
        cells = record.cells if isinstance(record, Broken) else record
        "".join(cells).encode()


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "no_header", "empty"),
        (b"\xef\xbb\xbf", "no_header", "empty"),
        (b"\n\n  \n", "no_header", "empty"),
        (b"notice_number,amount,reason\n", "missing_column", "payer_tax_identification_number"),
        (b"just words\n", "missing_column", "notice_number, amount, reason, payer_tax"),
        (HEADER.encode() + b",AMOUNT\n", "duplicate_column", "amount"),
        (HEADER.encode("utf-16"), "unreadable", "UTF-8"),
        (b"x" * (MAX_RECORD + 1), "unreadable", "header"),
        (b'"notice_number', "unreadable", "header"),
    ],
)
def test_a_file_without_a_usable_header_is_refused(
    parsed: Parser, data: bytes, code: str, words: str
) -> None:
    with pytest.raises(Refusal, match=words) as refused:
        parsed(data)
    assert refused.value.code == code


def test_a_file_with_a_header_alone_has_no_rows(parsed: Parser) -> None:
    opening, batches = parsed(HEADER)
    assert opening.expected == 0
    assert batches == []


@pytest.mark.parametrize(
    "header",
    [HEADER.upper(), HEADER.replace(",", " , "), '"' + HEADER.replace(",", '","') + '"', "\ufeff" + HEADER],
)
def test_header_names_are_found_in_any_case_with_blanks_and_quotes(parsed: Parser, header: str) -> None:
    _, batches = parsed(f"{header}\n{row(1)}\n")
    assert notices(batches) == [1]


def test_the_separator_is_told_by_the_header(parsed: Parser) -> None:
    names = "payer_name, first and last;notice_number;amount;reason;payer_tax_identification_number\n"
    opening, batches = parsed(names + "Rossi, Anna;300000000000000001;12,50;Mensa;RCCMNL83S18D969H\n;;;;\n")
    assert b"\t12.50\t" in batches[0].lines
    assert opening.head.startswith('"payer_name, first and last";"notice_number"')
    assert opening.head.endswith(';"row";"code";"rejection"\r\n')


def test_expected_rows_leave_out_the_header_and_line_ends_in_quotes(parsed: Parser) -> None:
    quoted = row(2, reason='"two\nlines"')
    assert parsed(f"{HEADER}\n{row(1)}\n{quoted}\n")[0].expected == 2
    assert parsed(f"{HEADER}\n{row(1)}\n{quoted}")[0].expected == 2


def test_a_line_for_copy_is_the_prefix_and_the_due(parsed: Parser) -> None:
    _, batches = parsed(HEADER + "\n" + row(1, reason="a\\b"))
    assert batches[0].lines.decode() == (
        "1\t300000000000000001\t00000000000000001\t10.00\ta\\\\b\t2026-11-22\t2026-12-22\tF\tRCCMNL83S18D969H\t\t\n"
    )
    assert batches[0].good == 1


def test_batches_end_at_fixed_rows_and_where_they_grow_large(
    parsed: Parser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsing, "ROWS", 100)
    monkeypatch.setattr(parsing, "SIZE", 50_000)
    lines = [row(n) if n % 3 else f"bad{'x' * n * 10}" for n in range(1, 451)]
    whole = "\n".join([HEADER, *lines])
    _, batches = parsed(whole)
    ends = [batch.last_row for batch in batches]
    assert ends == sorted(set(ends))
    assert {100, 200, 300, 400, 450} < set(ends)
    assert notices(batches) == [n for n in range(1, 451) if n % 3]
    for after in ends:
        opening, later = parsed(whole, after=after)
        assert [batch.last_row for batch in later] == ends
        assert notices(later) == [n for n in range(after + 1, 451) if n % 3]
        assert [int(one["row"]) for one in rejected(opening, later)] == list(range(3, 451, 3))


def test_update_keeps_the_last_of_a_repeated_notice_number(parsed: Parser) -> None:
    _, (batch,) = parsed(
        "\n".join([HEADER, row(1, reason="first"), row(2), row(1, reason="last"), row(1, amount="x")])
    )
    assert notices([batch]) == [1, 2]
    assert b"last" in batch.lines
    assert b"first" not in batch.lines
    assert (batch.good, batch.repeated, len(batch.rejected)) == (2, 1, 1)


def test_skip_keeps_the_first_of_a_repeated_notice_number(parsed: Parser) -> None:
    _, (batch,) = parsed(
        "\n".join([HEADER, row(1, reason="first"), row(1, reason="last")]), on_duplicate="skip"
    )
    assert b"first" in batch.lines
    assert b"last" not in batch.lines
    assert (batch.good, batch.repeated) == (1, 1)


def test_reject_rejects_the_later_ones_and_tells_how_the_first_would_be(parsed: Parser) -> None:
    opening, (batch,) = parsed(
        "\n".join([HEADER, row(1, reason="first"), row(1, reason="last")]), on_duplicate="reject"
    )
    assert b"first" in batch.lines
    assert (batch.good, batch.repeated) == (1, 0)
    assert [(one["row"], one["code"], one["reason"]) for one in rejected(opening, [batch])] == [
        ("2", "duplicate", "last")
    ]
    ((number, notice, line),) = batch.candidates
    assert (number, notice) == (1, "300000000000000001")
    assert '"first"' in line
    assert '"duplicate"' in line


def test_validating_finds_repeated_notice_numbers_across_batches(
    parsed: Parser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsing, "ROWS", 2)
    _, batches = parsed("\n".join([HEADER, *(row(n) for n in (1, 2, 3, 1, 2, 4))]), prefix=None)
    assert [batch.lines for batch in batches] == [b"", b"", b""]
    assert [number for batch in batches for number, _, _ in batch.candidates] == [1, 2, 3, 6]
    assert [batch.repeated for batch in batches] == [0, 1, 1]


def test_rejected_rows_keep_the_inputs_columns_as_they_were(parsed: Parser) -> None:
    opening, batches = parsed(
        f"Note,{HEADER}\nHallo Welt,{row(1)}\n=1+1,{row(2, amount='-5')}\nfew,cells\na,{row(3)},too,many\n"
        f"\n,{row(4, amount='x', reason='')}\n".encode()
        + b"\xff,"
        + row(5).encode()
        + b'\n"open\n'
    )
    assert opening.head.startswith('"Note","notice_number"')
    found = rejected(opening, batches)
    assert [(one["row"], one["code"]) for one in found] == [
        ("2", "bad_amount"),
        ("3", "cell_count"),
        ("4", "cell_count"),
        ("5", "missing"),
        ("6", "not_utf8"),
        ("7", "unclosed_quote"),
    ]
    assert found[0]["Note"] == "'=1+1"
    assert found[0]["amount"] == "-5"
    assert found[1]["notice_number"] == "cells"
    assert found[2]["payer_email"] == ",too,many"
    assert found[3]["rejection"].count("; ") == 1
    assert found[4]["Note"] == "\ufffd"
    assert found[5]["Note"] == '"open'


@pytest.mark.parametrize(
    "cell", ["=1", "+a", "-a", "@a", "\ta", "\ra", "=1+1", "-1-1", "+1+cmd|' /C calc'!A0", "-"]
)
def test_formulas_are_defused(cell: str) -> None:
    assert defused(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "a", "-1", "+1.50", "-1,5", "1=1", "39", "'=1"])
def test_numbers_and_texts_stay_what_they_are(cell: str) -> None:
    assert defused(cell) == cell


@given(st.lists(texts, min_size=1, max_size=6), st.sampled_from(",;"))
def test_no_reader_of_rejected_csv_sees_a_formula(cells: list[str], delimiter: str) -> None:
    lines = RejectedLines(["a", "b", "c"], delimiter)
    (read_back,) = csv.reader(
        io.StringIO(lines.line(cells, 7, "code", "why"), newline=""), delimiter=delimiter
    )
    assert len(read_back) == 6
    assert read_back[3:] == ["7", "code", "why"]
    for cell in read_back:
        assert defused(cell) == cell


@given(st.lists(st.integers(0, 10**18 - 1) | st.integers(0, 300), max_size=3_000))
def test_seen_is_a_set(numbers: list[int]) -> None:
    seen, truth = Seen(), set[int]()
    for number in numbers:
        assert seen.add(number) is (number not in truth)
        truth.add(number)


def test_seen_grows_and_forgets_nothing() -> None:
    seen = Seen()
    assert all(seen.add(n * 100) for n in range(50_000))
    assert not any(seen.add(n * 100) for n in range(50_000))
