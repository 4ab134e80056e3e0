"""$filter as a condition of SQL. Pure.

Every piece of the text is written here or in entities.py; what a client sends goes into `values` alone, as $1, $2 …
Null is as in OData: `eq` and `ne` compare it like a value, an order with it is false, of a function it makes null.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from odata_query import ast

from service.dialects.aims360.entities import TEXT, Property
from service.dialects.aims360.literals import SQL_TYPES, value_of
from service.dialects.aims360.parse import parse
from service.dialects.aims360.wire import read_id
from service.errors import Malformed

DEEPEST = 100  # conditions in each other, `not not not …` among them
_OPERATORS: Mapping[type, str] = {
    ast.Eq: "=",
    ast.NotEq: "<>",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_TURNED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_FUNCTIONS = {
    "contains": "strpos({0}, {1}) > 0",
    "startswith": "starts_with({0}, {1})",
    "endswith": "right({0}, length({1})) = {1}",
}
_TAKES = (
    "$filter: takes comparisons of a property with a value, contains, startswith, endswith of a property and a text, "
    "and, or, not"
)


@dataclass(slots=True)
class Values:
    """The values of a statement; the first is $`first`."""

    first: int = 1
    given: list[Any] = field(default_factory=list)

    def bind(self, value: object, kind: str) -> str:
        """Keep a value; what stands for it in the text."""
        self.given.append(value)
        return f"${self.first + len(self.given) - 1}::{kind}"


def condition(text: str, properties: Mapping[str, Property], values: Values) -> str:
    """The condition that $filter means. `properties` are by name in lower case. Raises Malformed."""
    return _Writer(properties, values).condition(parse(text))


@dataclass(frozen=True, slots=True)
class _Writer:
    properties: Mapping[str, Property]
    values: Values

    def condition(self, node: object, depth: int = 0) -> str:
        if depth > DEEPEST:
            raise Malformed(f"$filter: more than {DEEPEST} conditions in each other")
        match node:
            case ast.BoolOp(op, _, _):
                word = " AND " if isinstance(op, ast.And) else " OR "
                return f"({word.join(self.condition(one, depth + 1) for one in _alike(node))})"
            case ast.UnaryOp(ast.Not(), operand):
                return f"(NOT {self.condition(operand, depth + 1)})"
            case ast.Compare(ast.Eq() | ast.NotEq() as operator, ast.Call() as call, ast.Boolean() as wanted):
                is_true = isinstance(operator, ast.Eq) == wanted.py_val
                return f"({self.call(call)} {'IS TRUE' if is_true else 'IS NOT TRUE'})"
            case ast.Compare():
                return self.comparison(node)
            case ast.Call():
                return self.call(node)
            case ast.Boolean():
                return "TRUE" if node.py_val else "FALSE"
        raise Malformed(_TAKES)

    def call(self, node: ast.Call) -> str:
        match node:
            case ast.Call(ast.Identifier(name, ()), [target, ast.String(part)]) if name in _FUNCTIONS:
                found = self.property(target)
                if found.type != TEXT:
                    raise Malformed(f"$filter: {name} takes a text, and {found.name} is none")
                return f"({_FUNCTIONS[name].format(found.sql, self.values.bind(part, 'text'))})"
        raise Malformed(_TAKES)

    def comparison(self, node: ast.Compare) -> str:
        match node:
            case ast.Compare(ast.In(), target, ast.List(items)):
                return self.any_of(self.property(target), items)
            case ast.Compare(operator, ast.Identifier() as target, literal):
                return self.compare(self.property(target), _OPERATORS[type(operator)], literal)
            case ast.Compare(operator, literal, ast.Identifier() as target):
                return self.compare(self.property(target), _TURNED[_OPERATORS[type(operator)]], literal)
        raise Malformed(_TAKES)

    def property(self, node: object) -> Property:
        if not isinstance(node, ast.Identifier) or node.namespace:
            raise Malformed("$filter: a property is named by its name alone")
        return filterable(self.properties, node.name, "$filter")

    def compare(self, found: Property, operator: str, literal: object) -> str:
        if isinstance(literal, ast.Null):
            return {"=": f"({found.sql} IS NULL)", "<>": f"({found.sql} IS NOT NULL)"}.get(operator, "FALSE")
        value = value_of(found, literal)
        if operator in ("=", "<>") and (found.words or found.key):
            same = self.equal_any(found, [value])
            return same if operator == "=" else f"(NOT {same})"
        bound = self.values.bind(value, SQL_TYPES[found.type])
        if operator == "<>" and found.nullable:
            return f"({found.sql} IS DISTINCT FROM {bound})"
        # As Python compares texts, by the code of each character, whatever the database's language.
        collation = ' COLLATE "C"' if found.type == TEXT and operator not in ("=", "<>") else ""
        return _known(found, f"({found.sql}){collation} {operator} {bound}")

    def any_of(self, found: Property, items: Sequence[object]) -> str:
        wanted = [value_of(found, one) for one in items if not isinstance(one, ast.Null)]
        same = self.equal_any(found, wanted)
        return same if len(wanted) == len(items) else f"({same} OR {found.sql} IS NULL)"

    def equal_any(self, found: Property, wanted: Sequence[Any]) -> str:
        """The condition that the property is one of these values, in a form that an index helps where there is one."""
        if found.words:
            column, words = found.words
            stored = [one for word in dict.fromkeys(wanted) for one in words.get(word, ())]
            if len(stored) == 1:  # by `=`, an index on it gives an order too
                return f"({column} = {self.values.bind(stored[0], 'text')})"
            return f"({column} = ANY ({self.values.bind(stored, 'text[]')}))"
        if found.key:
            id_, time_ = found.key
            ids = [one for text in wanted if (one := read_id(text))]
            plain = self.values.bind([one for one, at in ids if at is None], "uuid[]")
            stamped = [one for one in ids if one[1] is not None]
            both = [self.values.bind([one[place] for one in stamped], kind) for place, kind in _PAIRS]
            return (
                f"({id_} = ANY ({plain}) OR ({id_}, {time_}) IN (SELECT * FROM unnest({both[0]}, {both[1]})))"
            )
        return _known(found, f"{found.sql} = ANY ({self.values.bind(wanted, SQL_TYPES[found.type] + '[]')})")


_PAIRS = ((0, "uuid[]"), (1, "timestamptz[]"))


def filterable(properties: Mapping[str, Property], name: str, option: str) -> Property:
    """The property of this name, in any case. Raises Malformed for none, and for one that is computed."""
    found = properties.get(name.lower())
    if found is None:
        known = ", ".join(one.name for one in properties.values())
        raise Malformed(f"{option}: there is no property {name[:100]!r}; there are {known}")
    if found.sql is None:
        raise Malformed(f"{option}: {found.name} is computed, and cannot be asked for")
    return found


def _known(found: Property, condition: str) -> str:
    return f"({found.sql} IS NOT NULL AND {condition})" if found.nullable else f"({condition})"


def _alike(node: ast.BoolOp) -> list[object]:
    """The parts of `a and b and c`, which the parser nests to the left, in a loop: there may be hundreds."""
    parts: list[object] = []
    left: object = node
    while isinstance(left, ast.BoolOp) and type(left.op) is type(node.op):
        parts.append(left.right)
        left = left.left
    return [left, *reversed(parts)]
