"""Texts of strangers on a terminal and in a spreadsheet. Pure.

What a job says may hold escape sequences that move the cursor, rename the window or paint over what was there, and
marks that turn the order of letters round. They are shown as signs instead.
"""

import re
import unicodedata

CONTROL_PICTURES = 0x2400
DELETE = 0x7F
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSAFE_IN_LINES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def _sign(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < ord(" "):
        return chr(CONTROL_PICTURES + code)
    return "\u2421" if code == DELETE else "\ufffd"


def one_line(text: str) -> str:
    """The text on one line, without anything that a terminal would obey."""
    return _UNSAFE.sub(_sign, text)


def lines(text: str) -> str:
    """The same, but its lines and tabs stay."""
    return _UNSAFE_IN_LINES.sub(_sign, text)


def in_json(text: str) -> str:
    """JSON whose strings hold no such character as it is: it is escaped, which means the same."""
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def width(text: str) -> int:
    """How many columns of a terminal a line takes."""
    return sum(_width(letter) for letter in text) if not text.isascii() else len(text)


def _width(letter: str) -> int:
    if unicodedata.combining(letter) or unicodedata.category(letter) in ("Cf", "Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def cut(text: str, columns: int) -> str:
    """The line within so many columns; an ellipsis stands for what was cut off."""
    if len(text) <= columns and width(text) <= columns:
        return text
    taken, room = [], columns - 1
    for letter in text[: 4 * columns]:
        room -= _width(letter)
        if room < 0:
            break
        taken.append(letter)
    return "".join(taken) + "…"


def file_name(name: str) -> str:
    """A name that a server gave, as one of the present folder: no path, no hidden file, no control character."""
    last = re.split(r"[/\\]", one_line(name))[-1].strip().lstrip(".")
    return last.encode()[:200].decode(errors="ignore") or "output"
