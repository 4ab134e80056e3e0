"""Conditions and ranges of RFC 9110."""

import pytest

from service.errors import PreconditionFailed
from service.files.conditions import Answer, decide, matches

ETAG = '"abc"'
WHOLE, UNCHANGED, OUTSIDE = Answer(200, 0, 1000), Answer(304, 0, 0), Answer(416, 0, 0)


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        ("bytes=0-0", Answer(206, 0, 1)),
        ("bytes=0-", Answer(206, 0, 1000)),
        ("bytes=0-999", Answer(206, 0, 1000)),
        ("bytes=0-5000", Answer(206, 0, 1000)),
        ("bytes=10-19", Answer(206, 10, 10)),
        ("bytes=999-", Answer(206, 999, 1)),
        ("bytes=-1", Answer(206, 999, 1)),
        ("bytes=-1000", Answer(206, 0, 1000)),
        ("bytes=-5000", Answer(206, 0, 1000)),
        ("BYTES = 10 - 19", Answer(206, 10, 10)),
        ("bytes=1000-", OUTSIDE),
        ("bytes=1000-2000", OUTSIDE),
        ("bytes=999999999999999999-", OUTSIDE),
        ("bytes=-0", OUTSIDE),
        ("bytes=20-10", WHOLE),
        ("bytes=0-1,5-6", WHOLE),
        ("bytes=" + ",".join(f"{n}-" for n in range(500)), WHOLE),
        ("bytes=", WHOLE),
        ("bytes=-", WHOLE),
        ("bytes=a-b", WHOLE),
        ("bytes=1-2-3", WHOLE),
        ("bytes=--1", WHOLE),
        ("bytes=+1-2", WHOLE),
        ("bytes=\u0661-", WHOLE),
        ("bytes=" + "9" * 5000 + "-", WHOLE),
        ("lines=1-2", WHOLE),
        ("", WHOLE),
    ],
)
def test_one_range_is_served_and_what_is_none_is_ignored(header: str, answer: Answer) -> None:
    assert decide("GET", {"Range": header}, ETAG, 1000) == answer


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        ("bytes=0-", OUTSIDE),
        ("bytes=0-0", OUTSIDE),
        ("bytes=-5", Answer(200, 0, 0)),
        ("", Answer(200, 0, 0)),
    ],
)
def test_an_empty_file_has_no_ranges(header: str, answer: Answer) -> None:
    assert decide("GET", {"Range": header}, ETAG, 0) == answer


def test_head_gets_the_whole_whatever_range_it_names() -> None:
    assert decide("HEAD", {"Range": "bytes=0-1"}, ETAG, 1000) == WHOLE


@pytest.mark.parametrize(
    ("if_range", "status"),
    [
        (ETAG, 206),
        (f" {ETAG} ", 206),
        ("W/" + ETAG, 200),
        ('"other"', 200),
        ("Sun, 22 Nov 2026 10:00:00 GMT", 200),
        ("*", 200),
        ("", 200),
    ],
)
def test_a_range_of_another_version_is_the_whole(if_range: str, status: int) -> None:
    assert decide("GET", {"Range": "bytes=1-2", "If-Range": if_range}, ETAG, 1000).status == status


@pytest.mark.parametrize("known", [ETAG, "W/" + ETAG, "*", f'"x", {ETAG}', f'W/"x",W/{ETAG} '])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_the_client_has_is_not_sent_again(method: str, known: str) -> None:
    headers = {"If-None-Match": known, "Range": "bytes=5000-"}
    assert decide(method, headers, ETAG, 1000) == UNCHANGED
    assert matches(known, ETAG)


@pytest.mark.parametrize("known", ['"other"', "", "abc", 'W/"other"'])
def test_what_the_client_does_not_have_is_sent(known: str) -> None:
    assert decide("GET", {"If-None-Match": known}, ETAG, 1000) == WHOLE
    assert not matches(known, ETAG)
    assert not matches(None, ETAG)


@pytest.mark.parametrize("wanted", [ETAG, "*", f'"x", {ETAG}'])
def test_a_precondition_that_holds_changes_nothing(wanted: str) -> None:
    assert decide("GET", {"If-Match": wanted}, ETAG, 1000) == WHOLE
    assert decide("GET", {"If-Match": wanted, "If-None-Match": ETAG}, ETAG, 1000) == UNCHANGED


@pytest.mark.parametrize("wanted", ['"other"', "W/" + ETAG, ""])
def test_a_precondition_that_does_not_hold_is_412(wanted: str) -> None:
    with pytest.raises(PreconditionFailed):
        decide("GET", {"If-Match": wanted, "If-None-Match": ETAG}, ETAG, 1000)
