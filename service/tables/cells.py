"""Texts in the cells of a spreadsheet, which must run nothing that a stranger wrote into them. Pure.

A text that begins like a formula gets an apostrophe in front, unless it is a plain number.
"""

import re
from typing import Final

FORMULA_STARTS: Final = frozenset("=+-@\t\r")
# The same for libraries that work on whole columns.
FORMULA: Final = r"^[=+\-@\t\r]"
PLAIN_NUMBER: Final = r"^[+-]?[0-9]+(?:[.,][0-9]+)?(?:[eE][+-]?[0-9]+)?$"

_plain_number = re.compile(PLAIN_NUMBER.removesuffix("$") + r"\Z", re.ASCII).match
DIGITS: Final = 15  # that a spreadsheet keeps of a number


def defused(cell: str) -> str:
    """The cell, harmless to a spreadsheet."""
    return f"'{cell}" if cell[:1] in FORMULA_STARTS and not _plain_number(cell) else cell
