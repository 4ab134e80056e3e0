"""Access tokens that stand for a key for an hour (OAuth 2, client credentials). Pure.

A token names its key, the secret that the key had, and its end, under an HMAC; nothing of it is kept. It is worth what
the key is worth at that moment: it ends with the key, with the secret that it was asked for with, and at its time by
the database's clock (docs/decisions/0016-access-tokens.md).
"""

import hmac
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

SECONDS = 3_600
PREFIX = "la_"
SECRET_BYTES = 10
_PURPOSE = b"lavori access token"
_RECORD = struct.Struct(f"!16s{SECRET_BYTES}sQ")
# Record and HMAC are a multiple of three bytes, so that base64 has no other spelling of them.
_SHAPE = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{{(_RECORD.size + 32) * 4 // 3}}}", re.ASCII)


class Granted(NamedTuple):
    """What a token says: whose key, how the hash of its secret begins, and until when (seconds since 1970)."""

    key_id: UUID
    secret: bytes
    until: int


def is_access_token(token: str) -> bool:
    """Whether it looks like one, good or not."""
    return _SHAPE.fullmatch(token) is not None


def pack(granted: Granted) -> bytes:
    """A grant as bytes."""
    return _RECORD.pack(granted.key_id.bytes, granted.secret, granted.until)


def unpack(record: bytes) -> Granted:
    """The grant that `pack` gave."""
    key_id, secret, until = _RECORD.unpack(record)
    return Granted(UUID(bytes=key_id), secret, until)


class AccessTokens:
    """Makes tokens by the newest of the secret keys, and reads those of each."""

    def __init__(self, secret_keys: Sequence[str]) -> None:
        self._keys = [hmac.digest(one.encode(), _PURPOSE, "sha256") for one in secret_keys]

    def make(self, granted: Granted) -> str:
        """The token of a grant."""
        record = pack(granted)
        return PREFIX + urlsafe_b64encode(record + hmac.digest(self._keys[0], record, "sha256")).decode()

    def read(self, token: str) -> bytes | None:
        """The grant that the token says, packed; None for what none of the keys has signed."""
        if not is_access_token(token):
            return None
        raw = urlsafe_b64decode(token.removeprefix(PREFIX))
        record, mac = raw[: _RECORD.size], raw[_RECORD.size :]
        signed = (hmac.digest(key, record, "sha256") for key in self._keys)
        return record if any(hmac.compare_digest(one, mac) for one in signed) else None
