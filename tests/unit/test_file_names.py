"""Names and kinds of files, in and out."""

import re
import unicodedata
from email.message import Message
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.files.names import clean_name, content_disposition, disposition_parameters, media_type

HOSTILE = [
    "../../etc/passwd",
    "..\\..\\windows\\system32\\cmd.exe",
    "/etc/passwd",
    "C:\\Users\\anna\\dovuti.csv",
    "\\\\server\\share\\dovuti.csv",
    ".",
    "..",
    "...",
    "",
    " ",
    "/",
    "\\",
    "a\0.csv",
    "a\r\nSet-Cookie: x=1.csv",
    "a\nb.csv",
    "\x1b[31mred.csv",
    "\x7f.csv",
    'a"b.csv',
    "a\\b.csv",
    "a;b;c.csv",
    "a%22b.csv",
    "a%2f..%2fb.csv",
    "<script>alert(1)</script>.html",
    "'; DROP TABLE files; --.csv",
    "\u202efdp.exe",
    "a\u2066b\u2069.csv",
    "\u061c.csv",
    "\u2028line.csv",
    "\ud800.csv",
    "caf\udce9.csv",
    "è ò à.csv",
    "日本語.csv",
    "🎉.csv",
    "e\u0301.csv",
    "x" * 300 + ".csv",
    "🎉" * 300,
    "a." + "b" * 300,
    "=cmd|' /C calc'!A0.csv",
    "CON",
    "nul.csv",
    "a.csv ",
    "a.csv.",
    " a.csv",
    "\ufeffa.csv",
    "\xa0",
    "filename*=UTF-8''x.csv",
    "a, b.csv",
    "*",
    "?.csv",
    "a:b.csv",
    *(f"a{chr(code)}b.csv" for code in range(32)),
    *(
        f"a{chr(code)}b.csv"
        for code in (0x80, 0x85, 0x9F, 0xA0, 0xAD, 0x200B, 0xFEFF, 0xFFFE, 0xFFFF, 0x10FFFF)
    ),
    *("../" * depth + "x" for depth in range(1, 12)),
]


def test_there_are_a_hundred_hostile_names() -> None:
    assert len(set(HOSTILE)) >= 100


def is_harmless(name: str) -> bool:
    return (
        1 <= len(name) <= 255
        and not set(name) & set("/\\\0\r\n\u202e\u2066")
        and not any(unicodedata.category(c) in ("Cc", "Cs") for c in name)
        and name not in (".", "..")
        and name == name.strip()
        and clean_name(name) == name
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_harmless_after_cleaning(name: str) -> None:
    assert is_harmless(clean_name(name))


@given(st.text(st.characters()))
def test_any_name_is_harmless_after_cleaning(name: str) -> None:
    assert is_harmless(clean_name(name))


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("dovuti.csv", "dovuti.csv"),
        ("Dovuti di marzo (1).csv", "Dovuti di marzo (1).csv"),
        ("è.csv", "è.csv"),
        (".profile", ".profile"),
        ("C:\\Users\\anna\\dovuti.csv", "dovuti.csv"),
        ("../../etc/passwd", "passwd"),
        (None, "attachment"),
        ("..", "attachment"),
        ("x" * 300 + ".csv", "x" * 251 + ".csv"),
    ],
)
def test_a_name_keeps_what_people_know_it_by(given_name: str | None, kept: str) -> None:
    assert clean_name(given_name) == kept


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_goes_out_as_one_safe_header_that_is_read_back(name: str) -> None:
    cleaned = clean_name(name)
    header = content_disposition(cleaned)
    assert header.isascii()
    assert header.isprintable()
    assert re.fullmatch(
        r"attachment; filename=\"[^\"\\%;]+\"(; filename\*=UTF-8''[^\s;,\"'\\()<>@]+)?", header
    )
    message = Message()
    message["Content-Disposition"] = header
    encoded = header.partition("; filename*=UTF-8''")[2]
    assert (unquote(encoded) if encoded else message.get_filename()) == cleaned


@pytest.mark.parametrize(
    ("declared", "name", "kind"),
    [
        ("text/csv", "a.bin", "text/csv"),
        ("Text/CSV; charset=UTF-8", "a.bin", "text/csv"),
        ("application/vnd.api+json", "a", "application/vnd.api+json"),
        (None, "a.csv", "text/csv"),
        ("", "a.CSV", "text/csv"),
        ("nonsense", "a.json", "application/json"),
        ("text/csv\r\nX: y", "a.csv", "text/csv"),
        ("text/", "a.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("/csv", "a.parquet", "application/vnd.apache.parquet"),
        ("te xt/csv", "a", "application/octet-stream"),
        ("t/" + "x" * 300, "a", "application/octet-stream"),
        (None, "a.csv.gz", "application/gzip"),
        (None, "a.csv.bz2", "application/octet-stream"),
    ],
)
def test_the_type_is_the_declared_one_if_it_is_one_else_guessed(
    declared: str | None, name: str, kind: str
) -> None:
    assert media_type(declared, name) == kind


@pytest.mark.parametrize(
    ("header", "parameters"),
    [
        ('form-data; name="job"', {"name": "job"}),
        ("form-data; name=job", {"name": "job"}),
        ("FORM-DATA;name=job;  filename = x.csv ", {"name": "job", "filename": "x.csv"}),
        (
            'form-data; name="attachment"; filename="a;b;c.csv"',
            {"name": "attachment", "filename": "a;b;c.csv"},
        ),
        ('form-data; name="x"; filename="a\\"b.csv"', {"name": "x", "filename": 'a"b.csv'}),
        ('form-data; name="x"; filename="C:\\a\\b.csv"', {"name": "x", "filename": "C:\\a\\b.csv"}),
        ('form-data; name="x"; filename=""', {"name": "x", "filename": ""}),
        (
            'form-data; name="x"; filename="e.csv"; filename*=UTF-8\'\'%C3%A8.csv',
            {"name": "x", "filename": "è.csv"},
        ),
        ("form-data; name=\"x\"; filename*=utf-8''%ff.csv", {"name": "x", "filename": "\ufffd.csv"}),
        ("form-data; name=\"x\"; filename*=latin-1''%E8.csv", {"name": "x"}),
        ("attachment; name=x", {}),
        ("form-data", {}),
        ("", {}),
        ('form-data; name="job"; name="attachment"', {}),
        ('form-data; name="job', {}),
        ("form-data; name", {}),
        ("form-data; =x", {}),
    ],
)
def test_the_parameters_of_a_part_are_read_as_browsers_and_curl_write_them(
    header: str, parameters: dict[str, str]
) -> None:
    assert disposition_parameters(header) == parameters


@given(st.text(max_size=300))
def test_no_disposition_makes_the_parser_fail(text: str) -> None:
    disposition_parameters("form-data;" + text)
