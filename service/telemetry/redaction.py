"""The one redaction: whatever goes into a log line, no secret comes out of it. Pure.

It works on the rendered line, so that it reaches tracebacks, texts of libraries and values of any field alike. Most
lines hold nothing that looks like a secret, and pay for a few searches of a substring alone; many lines at once share
these, which costs a sixth.
"""

import re
from collections.abc import Iterable, Sequence

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
            line = line.replace(secret, HIDDEN)
        return _PATTERNS.sub(_hide, line) if _has_a_shape(line) else line

    def joined(self, lines: Sequence[bytes]) -> bytes:
        """The lines, one behind the other, each with `***` in the place of every secret of its own."""
        joined = b"".join(lines)
        if not _has_a_shape(joined) and not any(secret in joined for secret in self._secrets):
            return joined
        return b"".join(map(self, lines))


def _has_a_shape(text: bytes) -> bool:
    """Whether something may be found by `_PATTERNS`."""
    return (  # in a row, not in a loop: every line pays for it
        b"lv_" in text
        or b"whsec_" in text
        or b"/d/" in text
        or b"://" in text
        or b"earer" in text
        or b"asic" in text
        or b"uthorization" in text
        or b"AUTHORIZATION" in text
    )


def _hide(found: re.Match[bytes]) -> bytes:
    kind = found.lastgroup or ""
    return found[kind] + (b"_" if kind == "key" else b"") + HIDDEN
