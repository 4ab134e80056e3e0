"""Literals of a filter as values for PostgreSQL, by the types of properties. Pure."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

from odata_query import ast

from service.dialects.aims360.entities import LONG, REAL, TEXT, TIME, WHOLE, Property
from service.errors import Malformed

LARGEST = Decimal(10) ** 30
SQL_TYPES = {TEXT: "text", WHOLE: "numeric", LONG: "numeric", REAL: "float8", TIME: "timestamptz"}


def value_of(found: Property, literal: object) -> Any:
    """The value of a literal that fits the property. Raises Malformed."""
    try:
        read = _READERS[found.type](literal)
        if read is not None:
            return read
    except (ValueError, OverflowError, ArithmeticError):
        pass
    raise Malformed(f"$filter: {found.name} is compared with {_EXPECTED[found.type]}")


def _text(literal: object) -> str | None:
    match literal:
        case ast.String(text):
            return str(text)
        case ast.GUID(text):
            return str(text).upper()
    return None


def _number(literal: object) -> Decimal | None:
    sign = 1
    if isinstance(literal, ast.UnaryOp) and isinstance(literal.op, ast.USub):
        sign, literal = -1, literal.operand
    if not isinstance(literal, ast.Integer | ast.Float):
        return None
    number = sign * Decimal(literal.val)
    if abs(number) > LARGEST or (number and abs(number) < 1 / LARGEST):
        raise OverflowError
    return number


def _real(literal: object) -> float | None:
    number = _number(literal)
    return None if number is None else float(number)


def _moment(literal: object) -> datetime | None:
    match literal:
        case ast.Date():
            return datetime.combine(literal.py_val, time(), UTC)
        case ast.DateTime():
            moment = literal.py_val
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    return None


_READERS: Mapping[str, Callable[[object], Any]] = {
    TEXT: _text,
    WHOLE: _number,
    LONG: _number,
    REAL: _real,
    TIME: _moment,
}
_EXPECTED = {
    TEXT: "a text: 'in single quotes'",
    WHOLE: "a number",
    LONG: "a number",
    REAL: "a number",
    TIME: "a time: 2019-06-07T06:08:19.640Z",
}
