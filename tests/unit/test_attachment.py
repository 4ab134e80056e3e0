"""What `attachment.file` may be, rule by rule."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Invalid
from service.jobs.attachment import Address, Content, parse_file


@given(st.binary(max_size=200))
def test_base64_is_content(data: bytes) -> None:
    assert parse_file(base64.b64encode(data).decode()) == Content(data, None)
    assert parse_file("data:text/csv;base64," + base64.b64encode(data).decode()) == Content(data, "text/csv")


@pytest.mark.parametrize(
    ("text", "data", "kind"),
    [
        ("", b"", None),
        ("abcd", base64.b64decode("abcd"), None),
        ("abcd/efg", base64.b64decode("abcd/efg"), None),  # strictly base64, whatever else it could be
        ("data:,A%20B", b"A B", "text/plain"),
        ("data:text/html,<b>", b"<b>", "text/html"),
        ("data:text/csv;charset=utf-8;base64,YQ==", b"a", "text/csv"),
        ("data:;base64,YQ==", b"a", "text/plain"),
        ("data:text/csv;base64,YQ%3D%3D", b"a", "text/csv"),
        ("data:text/plain,a,b;base64,c", b"a,b;base64,c", "text/plain"),
        ("DATA:text/plain,x", b"x", "text/plain"),
        ("data:,", b"", "text/plain"),
    ],
)
def test_content(text: str, data: bytes, kind: str | None) -> None:
    assert parse_file(text) == Content(data, kind)


@pytest.mark.parametrize(
    ("text", "url", "name"),
    [
        ("https://example.org/a/b.csv?x=1#y", "https://example.org/a/b.csv?x=1#y", "b.csv"),
        ("HTTP://EXAMPLE.ORG/B.CSV", "HTTP://EXAMPLE.ORG/B.CSV", "B.CSV"),
        ("http://localhost:8000/file", "http://localhost:8000/file", "file"),
        ("http://[::1]/x", "http://[::1]/x", "x"),
        ("www.example.com/x.csv", "https://www.example.com/x.csv", "x.csv"),
        ("example.com", "https://example.com", ""),
        ("example.com:8443/x", "https://example.com:8443/x", "x"),
        ("10.0.0.1/x", "https://10.0.0.1/x", "x"),
        ("https://example.org/caf%C3%A9.csv", "https://example.org/caf%C3%A9.csv", "café.csv"),
    ],
)
def test_addresses(text: str, url: str, name: str) -> None:
    found = parse_file(text)
    assert found == Address(url)
    assert isinstance(found, Address)
    assert found.name == name


@pytest.mark.parametrize(
    "text",
    [
        "YQ=", "YQ", "YQ===", "Y", "!!!!", "YWJj\n", "YW Jj", "abc-def_", "nodot", "a b.csv", "a.csv x",
        "localhost/pat",
        "http:// example.org", "https://", "http:///x.csv", "file:///etc/x.csv", "https://[::1/x.csv", "http://a:b:c.d/",
        "example.com:port/x", "x." * 5_000, "data:", "data:text/csv;base64", "data:text/csv;base64,YQ",
        "data:;base64,?",
        "è", "YQ==è", "\0",
    ],
)  # fmt: skip
def test_the_rest_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_file(text)
    assert [fault.pointer for fault in caught.value.faults] == ["#/attachment/file"]


def test_a_long_and_hostile_text_is_judged_at_once() -> None:
    assert parse_file("data:" + ";a=b" * 100_000 + ",") == Content(b"", "text/plain")
    for text in ("data:" + ";" * 200_000, "A" * 1_000_001, "." * 1_000_000):
        with pytest.raises(Invalid) as caught:
            parse_file(text)
        assert len(str(caught.value)) < 200
