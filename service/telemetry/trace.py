"""W3C Trace Context: the id that leads from a request to its job, and on to who is told of its end. Pure."""

import re
import secrets

# https://www.w3.org/TR/trace-context/#traceparent-header; a later version may say more after what we know.
_TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII
)
_VERSION = "00"


def read_traceparent(header: str | None) -> str | None:
    """The header as version 00 has it; None without one, and for one that is broken, as the standard wants it."""
    found = _TRACEPARENT.fullmatch(header) if header else None
    if found is None or (found[1] == _VERSION and found[5]):
        return None
    return f"{_VERSION}-{found[2]}-{found[3]}-{found[4]}"


def trace_id_of(traceparent: str) -> str:
    """The 32 hexadecimal digits that all that belongs together has in common."""
    return traceparent.split("-")[1]


def new_traceparent() -> str:
    """The header of what begins a trace of its own where no tracer does; whoever traces later may record it."""
    return f"{_VERSION}-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def next_traceparent(traceparent: str) -> str:
    """The header of a call that goes out: the same trace, and a span of its own."""
    version, trace_id, _, flags = traceparent.split("-")
    return f"{version}-{trace_id}-{secrets.token_hex(8)}-{flags}"
