"""A set of notice numbers in 12 to 24 bytes each, where Python's own needs a hundred. Pure."""

from array import array
from typing import Final

EMPTY: Final = 0  # the number 0 is kept as LARGEST + 1
INSTEAD_OF_ZERO: Final = 10**18
SPREAD: Final = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio: neighbours land far apart


class Seen:
    """Numbers of at most 18 digits; open addressing, at most two thirds full."""

    def __init__(self) -> None:
        self._bits = 12
        self._count = 0
        self._slots = array("Q", bytes(8 << self._bits))

    def add(self, number: int) -> bool:
        """Remember a number; answers whether it was new."""
        number = number or INSTEAD_OF_ZERO
        if 3 * self._count >= 2 << self._bits:
            self._grow()
        slots, mask = self._slots, (1 << self._bits) - 1
        place = (number * SPREAD & 0xFFFFFFFFFFFFFFFF) >> (64 - self._bits)
        while (there := slots[place]) != EMPTY:
            if there == number:
                return False
            place = place + 1 & mask
        slots[place] = number
        self._count += 1
        return True

    def _grow(self) -> None:
        old = self._slots
        self._bits += 1
        self._count = 0
        self._slots = array("Q", bytes(8 << self._bits))
        for number in old:
            if number != EMPTY:
                self.add(number)
