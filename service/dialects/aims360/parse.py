"""The text of $filter as a tree: odata-query's parser, behind bounds of its own. Pure.

The parser takes thousands of parentheses, calls itself for each step of a path, and knows no list of one; so what it is
handed is counted and looked at, token by token.
"""

from collections.abc import Iterable, Iterator
from copy import copy
from typing import Any

from odata_query.exceptions import FunctionCallException, ODataException, UnknownFunctionException
from odata_query.grammar import ODataLexer, ODataParser

from service.errors import Malformed

LONGEST = 8_000  # characters
DEEPEST = 32  # parentheses
_FORBIDDEN = {"/": "paths", ":": "lambdas", "=": "named parameters", "@": "aliases"}


def parse(text: str) -> object:
    """The tree of a filter, of the classes of odata_query.ast. Raises Malformed."""
    if len(text) > LONGEST:
        raise Malformed(f"$filter: longer than {LONGEST} characters")
    if "\0" in text or any("\ud800" <= one <= "\udfff" for one in text):
        raise Malformed("$filter: contains a character that no text can hold")
    try:
        return ODataParser().parse(_with_lists_of_one(_bounded(ODataLexer().tokenize(text.strip()))))
    except UnknownFunctionException:
        raise Malformed("$filter: calls a function that is not known here") from None
    except FunctionCallException as error:
        raise Malformed(f"$filter: {error}") from None
    except ODataException as error:
        raise Malformed(f"$filter: cannot be read{_where(error)}") from None


def _where(error: ODataException) -> str:
    token = getattr(error, "token", None)
    return " to its end" if token is None else f" at character {token.index + 1}"


def _bounded(tokens: Iterable[Any]) -> Iterator[Any]:
    depth = 0
    for token in tokens:
        if word := _FORBIDDEN.get(token.type):
            raise Malformed(f"$filter: {word} are not offered")
        depth += {"(": 1, ")": -1}.get(token.type, 0)
        if depth > DEEPEST:
            raise Malformed(f"$filter: more than {DEEPEST} parentheses in each other")
        yield token


def _with_lists_of_one(tokens: Iterable[Any]) -> Iterator[Any]:
    """The tokens, with a comma in a list of one: `in ('a')` is the parser's `in ('a',)`."""
    items = None  # of a list: how many tokens, of which only literals can be right
    previous = ""
    for token in tokens:
        if previous == "IN" and token.type == "(":
            items = 0
        elif items is not None and token.type == ")":
            if items == 1:
                comma = copy(token)
                comma.type = comma.value = ","
                yield comma
            items = None
        elif items is not None and token.type != "WS":
            items += 1
        previous = token.type
        yield token
