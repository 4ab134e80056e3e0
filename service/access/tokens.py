"""The tokens of API keys: `lv_<id>_<secret><crc>`. Pure.

The id is the key's UUIDv7 in hex, so that a token found in a log can be traced to its key; the secret is 192 random
bits, so that one fast hash of it is enough to store; the crc32 of what stands before it tells a typo without asking the
database. An operator may choose any other text of 20 characters or more as LAVORI_ADMIN_KEY: a token without a shape.

The tokens of sessions and of tickets are 192 random bits behind a prefix of their own: no keys, and of no use as such.
"""

import hashlib
import re
import secrets
from uuid import UUID
from zlib import crc32

SHORTEST = 20
LONGEST = 512
_SECRET_BYTES = 24
_SHAPE = re.compile(r"lv_([0-9a-f]{32})_[0-9a-f]{48}[0-9a-f]{8}", re.ASCII)
_SESSION = re.compile(r"ls_[0-9a-f]{48}", re.ASCII)
_PREFIX = "lv_"
_CRC_LENGTH = 8
_LENGTH = len(_PREFIX) + 32 + 1 + 2 * _SECRET_BYTES + _CRC_LENGTH


def new_secret() -> str:
    """The random part of a token: 192 bits as hex."""
    return secrets.token_hex(_SECRET_BYTES)


def make_token(key_id: UUID, secret: str) -> str:
    """The whole token of a key: the one thing that its owner is shown, once."""
    head = f"{_PREFIX}{key_id.hex}_{secret}"
    return head + _crc(head)


def new_session_token() -> str:
    """The token of a session, or of a ticket to one."""
    return f"ls_{new_secret()}"


def may_be_a_session(token: str) -> bool:
    """Whether the database is worth asking for a session, or for a ticket."""
    return _SESSION.fullmatch(token) is not None


def parse_token(token: str) -> UUID | None:
    """The id of the key, or None for what is no whole token of ours: another text, or one with a typo."""
    shape = _SHAPE.fullmatch(token)
    if shape is None or _crc(token[:-_CRC_LENGTH]) != token[-_CRC_LENGTH:]:
        return None
    return UUID(shape[1])


def may_be_a_token(token: str) -> bool:
    """Whether the database is worth asking: a whole token of ours, or other printable text of 20 to 512 characters."""
    if not SHORTEST <= len(token) <= LONGEST or not token.isprintable():
        return False
    looks_like_ours = len(token) == _LENGTH and token.startswith(_PREFIX)
    return not looks_like_ours or parse_token(token) is not None


def token_hash(token: str) -> bytes:
    """What is stored and looked up instead of the token: SHA-256 of the whole of it."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _crc(head: str) -> str:
    return f"{crc32(head.encode()):08x}"
