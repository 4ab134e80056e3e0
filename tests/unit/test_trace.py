"""W3C Trace Context: which headers are taken, and what goes on."""

import pytest

from service.telemetry.trace import next_traceparent, read_traceparent, trace_id_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("header", "read"),
    [
        (f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01"),
        (f"cc-{TRACE}-{SPAN}-00-what-comes-later", f"00-{TRACE}-{SPAN}-00"),
    ],
)
def test_a_header_is_read(header: str, read: str) -> None:
    assert read_traceparent(header) == read


@pytest.mark.parametrize(
    "header",
    [
        None, "", "x", f"00-{TRACE}-{SPAN}", f"00-{TRACE}-{SPAN}-01-more", f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-{SPAN}-01", f"00-{TRACE}-{SPAN}-1", f" 00-{TRACE}-{SPAN}-01",
    ],
)  # fmt: skip
def test_a_broken_header_is_as_none(header: str | None) -> None:
    assert read_traceparent(header) is None


def test_what_goes_on_is_the_same_trace_in_a_span_of_its_own() -> None:
    gone_on = next_traceparent(f"00-{TRACE}-{SPAN}-01")
    assert read_traceparent(gone_on) == gone_on
    assert trace_id_of(gone_on) == TRACE
    assert gone_on.split("-")[2] != SPAN
    assert gone_on.endswith("-01")
