"""Lines of rejected.csv: a row of the input as it was, then its number, a code and the reasons. Pure.

A spreadsheet that opens the file must not run what a stranger wrote into it: a cell that begins like a formula gets an
apostrophe in front, unless it is a plain number. Every cell is quoted, so that a spreadsheet that expects the other
separator cuts no cell in two, whose second half could be a formula again.
"""

from collections.abc import Sequence
from typing import Final

from service.tables.cells import FORMULA_STARTS, defused

QUOTE: Final = '"'
ADDED: Final = ("row", "code", "rejection")


class RejectedLines:
    """Makes the lines, with the separator and as many columns as the input has."""

    def __init__(self, header: Sequence[str], delimiter: str) -> None:
        self._width = len(header)
        self._delimiter = delimiter
        self._between = f'"{delimiter}"'
        self.head = self._line([*header, *ADDED])

    def line(self, cells: list[str], row: int, code: str, reasons: str) -> str:
        """One line. Cells beyond the header's are kept in its last one, so that the added columns stay in place."""
        own = [*cells, *[""] * (self._width - len(cells))]
        if len(own) > self._width:
            own[self._width - 1 :] = [self._delimiter.join(own[self._width - 1 :])]
        return self._line([*own, str(row), code, reasons])

    def _line(self, cells: list[str]) -> str:
        # By hand: under on_duplicate reject each good row needs it, too, and the csv module takes longer.
        safe = [cell if cell[:1] not in FORMULA_STARTS else defused(cell) for cell in cells]
        text = self._between.join(safe)
        if text.count(QUOTE) != 2 * (len(safe) - 1):
            text = self._between.join([cell.replace(QUOTE, QUOTE * 2) for cell in safe])
        return f'"{text}"\r\n'
