"""Codice fiscale and partita IVA: python-stdnum is the authority, this decides the same with tables, and faster.

A test compares both over many codes. Only the bare form is taken, 16 letters and digits or 11 digits: no blanks, no
`IT` in front. Pure.
"""

import re
from typing import Final

from stdnum.exceptions import InvalidChecksum, ValidationError
from stdnum.it import codicefiscale, iva

PERSON: Final = 16  # characters of a natural person's codice fiscale
ENTITY: Final = 11  # digits of a partita IVA, or of the codice fiscale of whoever is no natural person

# Where a digit stands, one of LMNPQRSTUV may stand for it: people who would share a code are told apart so (omocodia).
_PERSON = re.compile(
    r"[A-Z]{6}[0-9LMNPQRSTUV]{2}[ABCDEHLMPRST][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z]"
).fullmatch
_OFFICES: Final = {f"{number:03}" for number in range(1, 101)} | {"120", "121", "888", "999"}

_DIGITS: Final = "0123456789"
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ODD_VALUES: Final = (
    1,
    0,
    5,
    7,
    9,
    13,
    15,
    17,
    19,
    21,
    2,
    4,
    18,
    20,
    11,
    3,
    6,
    8,
    12,
    14,
    16,
    10,
    22,
    25,
    24,
    23,
)


def _table(values: dict[str, int]) -> bytes:
    return bytes(values.get(chr(code), 0) for code in range(256))


_ODD: Final = _table({sign: _ODD_VALUES[n] for signs in (_DIGITS, _LETTERS) for n, sign in enumerate(signs)})
_EVEN: Final = _table({sign: n for signs in (_DIGITS, _LETTERS) for n, sign in enumerate(signs)})
_DOUBLED: Final = _table({sign: sum(divmod(2 * n, 10)) for n, sign in enumerate(_DIGITS)})


class _BirthDates(dict[str, bool]):
    """Whether the five characters of a birth date are one; what was asked before is remembered."""

    def __missing__(self, date: str) -> bool:
        try:
            codicefiscale.get_birth_date(f"AAAAAA{date}A000A")
        except ValidationError:
            known = False
        else:
            known = True
        if len(self) > 100_000:  # noqa: PLR2004  all dates of a century, men's and women's, and room for omocodia
            self.clear()
        self[date] = known
        return known


_birth_dates: Final = _BirthDates()


def is_tax_id(code: str) -> bool:
    """Whether this ASCII text is a codice fiscale or a partita IVA, in upper case, with the right check character."""
    signs = code.encode()
    if len(code) == PERSON:
        return (
            _PERSON(code) is not None
            and (sum(signs.translate(_ODD)[:15:2]) + sum(signs.translate(_EVEN)[1:15:2])) % 26
            == signs[15] - 65  # ord("A")
            and _birth_dates[code[6:11]]
        )
    return (
        len(code) == ENTITY
        and code.isdigit()
        and code[:7] != "0000000"
        and code[7:10] in _OFFICES
        and (sum(signs[::2]) - 6 * 48 + sum(signs.translate(_DOUBLED)[1::2])) % 10 == 0  # 48 is ord("0")
    )


def fault(code: str) -> str | None:
    """What python-stdnum has against a code in upper case, in words; None when it is right."""
    if not (code.isascii() and code.isalnum() and len(code) in (PERSON, ENTITY)):
        return "is neither the 16 characters of a codice fiscale nor the 11 digits of a partita IVA"
    try:
        if len(code) == PERSON:
            codicefiscale.validate(code)
        else:
            iva.validate(code)
    except InvalidChecksum:
        return "has a wrong check character"
    except ValidationError:
        return "is no codice fiscale" if len(code) == PERSON else "is no partita IVA"
    return None
