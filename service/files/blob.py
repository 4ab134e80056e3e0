"""Bytes in storage, as the rest of the program knows them."""

import re
from dataclasses import dataclass

from service.errors import NotFound

KEY = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that are stored: `key` is random and says nothing, `size` is in bytes, `sha256` has 32."""

    key: str
    size: int
    sha256: bytes


class BlobMissing(NotFound):
    """The bytes are not in storage: purged a moment ago, or lost."""

    def __init__(self) -> None:
        super().__init__("the file is no longer stored")
