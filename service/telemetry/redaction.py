"""The one redaction: whatever goes into a log line, no secret comes out of it. Pure.

It works on the rendered line, so that it reaches tracebacks, texts of libraries and values of any field alike. Most
lines hold nothing that looks like a secret, and pay for a few searches of a substring alone.
"""

import re
from collections.abc import Iterable

HIDDEN = b"***"
SHORTEST_SECRET = 8  # what is shorter would be found in innocent words

_PATTERNS = re.compile(
    rb"""
      (?P<key>lv_[0-9a-f]{32})_[0-9a-f]+                         # an API key: its id may be known
    | (?P<hook>whsec_)[A-Za-z0-9+/=]+                            # what webhooks are signed with
    | (?P<link>/d/[0-9A-Fa-f-]{1,36}/)[^\s"'?\#\\]+              # a download link
    | (?P<user>://[^\s/@:"']*:)[^\s/"']+(?=@)                    # a password in a URL
    | (?P<scheme>\b(?:bearer|basic)(?:\s|%20)+)[^\s"'\\,}]{8,}      # a header, whose name may have been cut off
    | (?P<header>authorization["']?\s*[:=]\s*)(?!["']?(?:bearer|basic)\b)(?:\\?["'])?[^\s"'\\,}]+
    """,
    re.VERBOSE | re.IGNORECASE,
)


class Redaction:
    """Hides what has the shape of a secret, and these secrets of the settings whatever their shape."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = tuple(
            sorted({one.encode() for one in secrets if len(one) >= SHORTEST_SECRET}, key=len, reverse=True)
        )

    def __call__(self, line: bytes) -> bytes:
        """The line with `***` in the place of every secret."""
        for secret in self._secrets:
            if secret in line:
                line = line.replace(secret, HIDDEN)
        if (  # in a row, not in a loop: every line pays for it
            b"lv_" in line
            or b"whsec_" in line
            or b"/d/" in line
            or b"://" in line
            or b"earer" in line
            or b"asic" in line
            or b"uthorization" in line
            or b"AUTHORIZATION" in line
        ):
            return _PATTERNS.sub(_hide, line)
        return line


def _hide(found: re.Match[bytes]) -> bytes:
    kind = found.lastgroup or ""
    return found[kind] + (b"_" if kind == "key" else b"") + HIDDEN
