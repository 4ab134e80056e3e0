"""Bytes in storage, as the rest of the program knows them."""

from dataclasses import dataclass

from service.errors import NotFound


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
