"""Names and kinds of files as people and programs give them. Pure.

A name is metadata: no path is ever made of it. It is cleaned on its way in and quoted on its way out.
"""

import re
import unicodedata
from collections.abc import Collection
from mimetypes import MimeTypes
from pathlib import PurePosixPath
from urllib.parse import quote, unquote

NAME_LENGTH = 255
UNNAMED = "attachment"
UNKNOWN_TYPE = "application/octet-stream"

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE = re.compile(rf"\s*({_WORD}/{_WORD})\s*(;.*)?", re.ASCII | re.DOTALL)
_PARAMETER = re.compile(rf';\s*({_WORD})\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;"]*)\s*', re.ASCII | re.DOTALL)
# Marks that turn the direction of text: `fdp.exe` would be read as `exe.pdf`.
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Not the system's table, which differs from machine to machine.
_TYPES = MimeTypes(filenames=())
for _type, _suffix in (
    ("application/vnd.apache.parquet", ".parquet"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".xlsx"),
    ("application/x-ndjson", ".ndjson"),
):
    _TYPES.add_type(_type, _suffix)


def clean_name(name: str | None) -> str:
    """The last part of a path, without characters that hide or mislead, of 1 to 255 characters."""
    last = re.split(r"[/\\]", name or "")[-1]
    shown = "".join(c for c in last if unicodedata.category(c) not in ("Cc", "Cs") and c not in _TURNING)
    whole = _trimmed(shown.replace("\u2028", " ").replace("\u2029", " "))
    if len(whole) > NAME_LENGTH:
        suffix = PurePosixPath(whole).suffix[:20]
        whole = _trimmed(whole[: NAME_LENGTH - len(suffix)] + suffix)
    return whole or UNNAMED


def media_type(declared: str | None, name: str) -> str:
    """The declared type without its parameters, in lower case; else what the name's ending says."""
    if declared and len(declared) <= NAME_LENGTH and (found := _MEDIA_TYPE.fullmatch(declared)):
        return found[1].lower()
    guessed, packed = _TYPES.guess_type(name)
    if packed:
        return "application/gzip" if packed == "gzip" else UNKNOWN_TYPE
    return guessed or UNKNOWN_TYPE


def disposition_parameters(header: str, kinds: Collection[str] = ("form-data",)) -> dict[str, str]:
    """The parameters of a Content-Disposition, `filename*` decoded as `filename`; {} if broken or of another kind.

    The kind is form-data in the part of a form (RFC 7578), attachment or inline in a response (RFC 6266).

    Browsers write a quote in a name as %22; curl and others as backslash and quote. Backslashes before anything
    else stand for themselves: some send whole Windows paths.
    """
    kind, semicolon, _ = header.partition(";")
    if not semicolon or kind.strip().lower() not in kinds:
        return {}
    found: dict[str, str] = {}
    at = len(kind)
    while at < len(header):
        parameter = _PARAMETER.match(header, at)
        if parameter is None or parameter[1].lower() in found:
            return {}
        name, value, at = parameter[1].lower(), parameter[2], parameter.end()
        found[name] = re.sub(r'\\(["\\])', r"\1", value[1:-1]) if value.startswith('"') else value
    charset, _, encoded = found.pop("filename*", "").partition("'")
    if charset.lower() == "utf-8" and "'" in encoded:
        found["filename"] = unquote(encoded.partition("'")[2], errors="replace")
    return found


def content_disposition(name: str) -> str:
    """The header that has a browser save the file under this name (RFC 6266, RFC 8187), and never show it."""
    folded = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r'[^ -~]|["\\%;]', "_", folded).strip() or UNNAMED
    if plain == name:
        return f'attachment; filename="{plain}"'
    encoded = quote(name, safe="!#$&+-.^_`|~", errors="replace")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"


def _trimmed(name: str) -> str:
    return re.sub(r"[\s.]+$", "", name.strip())
