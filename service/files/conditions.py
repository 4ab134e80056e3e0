"""Which part of a file a request gets: RFC 9110, sections 13 (conditions) and 14 (ranges). Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from service.errors import PreconditionFailed

_RANGE = re.compile(r"bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` is 200, 206, 304 or 416; `length` bytes from `start` are what a GET is sent with the first two."""

    status: int
    start: int
    length: int


def decide(method: str, headers: Mapping[str, str], etag: str, size: int) -> Answer:
    """Answer a GET or HEAD of a file of `size` bytes; `etag` is strong and quoted. Raises PreconditionFailed.

    One range is served. Several, or one that does not parse, are ignored, as section 14.2 allows; so is any range
    that comes with HEAD. There is no Last-Modified, so a date in If-Range never matches, and dates elsewhere are
    ignored.
    """
    wanted = headers.get("If-Match")
    if wanted is not None and not _names(wanted, etag, weakly=False):
        raise PreconditionFailed(f"the file's ETag is {etag}")
    known = headers.get("If-None-Match")
    if known is not None and _names(known, etag, weakly=True):
        return Answer(304, 0, 0)
    whole = Answer(200, 0, size)
    if method != "GET" or headers.get("If-Range", etag).strip() != etag:
        return whole
    return _part(headers.get("Range", ""), size) or whole


def matches(if_none_match: str | None, etag: str) -> bool:
    """Whether a client that sent this If-None-Match has what `etag` names."""
    return if_none_match is not None and _names(if_none_match, etag, weakly=True)


def _part(header: str, size: int) -> Answer | None:
    found = _RANGE.fullmatch(header.strip())
    first, last = found.groups() if found else ("", "")
    if first:
        if last and int(last) < int(first):
            return None
        if int(first) >= size:
            return Answer(416, 0, 0)
        end = min(int(last), size - 1) if last else size - 1
        return Answer(206, int(first), end - int(first) + 1)
    if last:
        if int(last) == 0:
            return Answer(416, 0, 0)
        length = min(int(last), size)
        # The last bytes of nothing are nothing, which no Content-Range can say.
        return Answer(206, size - length, length) if size else None
    return None


def _names(header: str, etag: str, *, weakly: bool) -> bool:
    tags = [tag.strip() for tag in header.split(",")]
    if weakly:
        tags = [tag.removeprefix("W/") for tag in tags]
    return "*" in tags or etag in tags
