"""service/tables/cells.py for whole columns of texts."""

import pyarrow as pa
import pyarrow.compute as pc

from service.tables.cells import DIGITS, FORMULA, PLAIN_NUMBER

# An exponent only as programs write it: 12e4 may be somebody's room.
NUMBER = r"^-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,14})?(?:e[+-][0-9]{2,3})?$"


def defused_column(column: pa.Array) -> pa.Array:
    """The texts, harmless to a spreadsheet."""
    like_formula = pc.match_substring_regex(column, FORMULA)
    if not pc.any(like_formula).as_py():
        return column
    bad = pc.and_(like_formula, pc.invert(pc.match_substring_regex(column, PLAIN_NUMBER)))
    return pc.if_else(bad, pc.binary_join_element_wise("'", column, ""), column)


def are_numbers(column: pa.Array) -> pa.Array:
    """Which of the texts lose nothing when they are read as numbers.

    007 and +39 are no numbers, nor is what has more digits than a spreadsheet keeps.
    """
    like_number = pc.match_substring_regex(column, NUMBER)
    if not pc.any(like_number).as_py():
        return like_number
    digits = pc.binary_length(pc.replace_substring_regex(column, r"[-.]", ""))
    return pc.and_(like_number, pc.less_equal(digits, DIGITS))
