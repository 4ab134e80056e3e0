"""How far a download is, and whether an answer goes on where it stopped. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NamedTuple, Self

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')


class Piece(NamedTuple):
    """Bytes that are stored: their key and number."""

    key: str
    size: int


@dataclass(frozen=True, slots=True)
class Progress:
    """What is stored of a file, and what its server said of it; the checkpoint.

    `validator` is what If-Range asks with; None where nothing says that the rest would be of the same file. `total` is
    the file's size in bytes, where the server told it.
    """

    name: str
    mime_type: str
    validator: str | None = None
    total: int | None = None
    pieces: Sequence[Piece] = ()
    complete: bool = False

    @classmethod
    def of_state(cls, state: Any) -> Self:
        """Of `state()`."""
        return cls(**{**state, "pieces": tuple(Piece(*one) for one in state["pieces"])})

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "pieces": [tuple(piece) for piece in self.pieces]}

    @property
    def size(self) -> int:
        """How many bytes are there."""
        return sum(piece.size for piece in self.pieces)

    def with_piece(self, piece: Piece) -> "Progress":
        """With one more piece."""
        return replace(self, pieces=(*self.pieces, piece))

    def continued_by(self, status: int, headers: Mapping[str, str]) -> bool:
        """Whether this answer to a request for a range has exactly the bytes that are missing."""
        found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
        if status != HTTPStatus.PARTIAL_CONTENT or found is None or "Content-Encoding" in headers:
            return False
        same_size = found[2] == "*" or self.total is None or int(found[2]) == self.total
        return int(found[1]) == self.size and same_size


def size_told(headers: Mapping[str, str]) -> int | None:
    """The size of the file that a whole answer brings; None where it is packed, or nobody says."""
    length = headers.get("Content-Length", "")
    return int(length) if _NUMBER.fullmatch(length) and "Content-Encoding" not in headers else None


def validator_of(headers: Mapping[str, str]) -> str | None:
    """What tells this content from any other: a strong ETag, else a Last-Modified that is strong (RFC 9110, 8.8.2.2).

    None for an answer that is packed, whose bytes can't be counted in the server's file.
    """
    if "Content-Encoding" in headers:
        return None
    if "ETag" in headers:
        return headers["ETag"] if _STRONG_ETAG.fullmatch(headers["ETag"]) else None
    try:
        modified, now = (parsedate_to_datetime(headers[name]) for name in ("Last-Modified", "Date"))
        return headers["Last-Modified"] if now - modified >= timedelta(seconds=1) else None
    except (KeyError, TypeError, ValueError):
        return None
