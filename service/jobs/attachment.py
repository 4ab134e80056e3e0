"""What `attachment.file` may be: base64, a data: URL, a URL, or a bare host and path. Pure."""

import base64
import binascii
import re
from dataclasses import dataclass
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from service.errors import Fault, Invalid

POINTER = "#/attachment/file"
_DATA_URL = re.compile(
    r"(?i:data):(?P<type>[^;,\s]*)(?P<parameters>(?:;[^;,]*?)*?)(?P<base64>;base64)?,(?P<data>.*)\Z",
    re.DOTALL,
)
LONGEST_URL = 8_192


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes themselves, and the type that a data: URL named."""

    data: bytes
    mime_type: str | None


@dataclass(frozen=True, slots=True)
class Address:
    """A URL that the worker fetches."""

    url: str

    @property
    def name(self) -> str:
        """The last part of its path."""
        return unquote(urlsplit(self.url).path.rpartition("/")[2])


def parse_file(text: str) -> Content | Address:
    """What is strictly base64 is content; what else has a dot and no space is a URL. Raises Invalid for the rest."""
    if text[:5].lower() == "data:":
        return _data_url(text)
    try:
        return Content(base64.b64decode(text, validate=True), None)
    except (binascii.Error, ValueError):
        pass  # then it must be an address
    lower = text[:8].lower()
    is_url = lower.startswith(("http://", "https://"))
    if (is_url or "." in text) and not re.search(r"\s", text) and len(text) <= LONGEST_URL:
        url = text if "://" in text else f"https://{text}"
        try:
            parts = urlsplit(url)
            if parts.hostname and parts.port != 0:
                return Address(url)
        except ValueError:
            pass  # a broken IPv6 address or port: not an address after all
    raise Invalid([Fault(POINTER, "is neither base64, nor a data: URL, nor a URL")])


def _data_url(text: str) -> Content:
    found = _DATA_URL.match(text)
    if found is None:
        raise Invalid([Fault(POINTER, "is a broken data: URL")])
    data = unquote_to_bytes(found["data"])
    if found["base64"]:
        try:
            data = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            raise Invalid([Fault(POINTER, "is a data: URL with broken base64")]) from None
    return Content(data, found["type"] or "text/plain")
