"""Cursors of lists: where a page ended, sealed. Pure.

A cursor holds the key of the last row and an HMAC over it and over the question (tenant, sort, filters), so it is good
for the next page of the very same question and for nothing else. What it holds is no secret: the page showed it.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

_PURPOSE = b"lavori list cursor"
SEAL_BYTES = 12


class NotOurs(ValueError):
    """No cursor, or one of another question."""


def seal(secret_keys: Sequence[str], question: bytes, position: bytes) -> str:
    """The cursor of a position in the answer to a question; the newest key signs."""
    return _text(_mac(secret_keys[0], question, position) + position)


def unseal(secret_keys: Sequence[str], question: bytes, cursor: str) -> bytes:
    """The position. Raises NotOurs for all but what `seal` gave for the same question under one of the keys."""
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    except ValueError:
        raise NotOurs from None
    given, position = raw[:SEAL_BYTES], raw[SEAL_BYTES:]
    for key in secret_keys:
        # The second comparison refuses other spellings of the same bytes, which base64 allows.
        if hmac.compare_digest(given, _mac(key, question, position)) and cursor == _text(raw):
            return position
    raise NotOurs


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _mac(secret: str, question: bytes, position: bytes) -> bytes:
    key = hmac.digest(secret.encode(), _PURPOSE, "sha256")
    return hmac.digest(key, hashlib.sha256(question).digest() + position, "sha256")[:SEAL_BYTES]
