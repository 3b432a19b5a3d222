"""Filters of a postgres_changes binding: `column=operator.value`, several joined by commas, all of which must hold.

Values that contain a comma, a parenthesis, a quote or a backslash are quoted as in PostgREST: `name=eq."a,b"`.
Most filters are decided here, by comparing PostgreSQL's text forms; the others are SQL (`Condition.sql`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from deploy.local.supabase.realtime.pgoutput import Unchanged, Value
from deploy.local.supabase.realtime.values import CANONICAL, INTEGERS, Type

MAX_CONDITIONS = 20
MAX_IN_VALUES = 100
_COMPARISONS = {"eq": "=", "neq": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_PATTERNS = {"like": "~~", "ilike": "~~*", "match": "~", "imatch": "~*"}
_IS = frozenset({"null", "true", "false", "unknown"})
_CONDITION = re.compile(r"(?P<column>[^=]+)=(?P<not>not\.)?(?P<operator>[a-z]+)\.(?P<value>.*)", re.DOTALL)


class FilterError(Exception):
    """A filter that cannot be understood; the message names what is wrong."""


@dataclass(frozen=True)
class Condition:
    """One comparison of a column. `values` holds one value, or several for `in`."""

    column: str
    operator: str
    values: tuple[str, ...]
    negated: bool = False

    @property
    def is_typed(self) -> bool:
        """Whether the values must be values of the column's type: all but patterns and `is`."""
        return self.operator not in _PATTERNS and self.operator != "is"

    def with_values(self, values: tuple[str, ...]) -> "Condition":
        return replace(self, values=values)

    def holds(self, value: Value, kind: Type) -> bool | None:
        """Whether it holds for a value in text form; None when only the database can tell.

        As in SQL, comparing with null holds neither way; a value missing from the change never matches.
        """
        if isinstance(value, Unchanged):
            return False
        if self.operator == "is":
            return (value == self._is_text()) != self.negated
        if self.operator == "isdistinct" and (value is None or self.values[0] == "null"):
            return ((value is None) != (self.values[0] == "null")) != self.negated
        if value is None:
            return False
        answer = self._compare(value, kind)
        return None if answer is None else answer != self.negated

    def sql(self, sql_type: str) -> str:
        """An expression over `$1`, the column's value as text, and `$2`, the values as an array of text."""
        cast = sql_type if self.is_typed else "pg_catalog.text"
        left = f"$1::pg_catalog.text::{cast}"
        if self.operator == "in":
            test = f"{left} = any ($2::pg_catalog.text[]::{cast}[])"
        else:
            symbol = (_COMPARISONS | _PATTERNS | {"isdistinct": "is distinct from"})[self.operator]
            test = f"{left} {symbol} ($2::pg_catalog.text[])[1]::{cast}"
        return f"not ({test})" if self.negated else test

    def _is_text(self) -> str | None:
        return {"true": "t", "false": "f"}.get(self.values[0])

    def _compare(self, value: str, kind: Type) -> bool | None:
        if kind.element is not None or kind.oid not in CANONICAL:
            return None
        match self.operator:
            case "eq" | "in":
                return value in self.values
            case "neq" | "isdistinct":
                return value != self.values[0]
        if kind.oid not in INTEGERS or self.operator in _PATTERNS:
            return None
        left, right = int(value), int(self.values[0])
        return {"lt": left < right, "lte": left <= right, "gt": left > right, "gte": left >= right}[self.operator]


def parse(text: str) -> tuple[Condition, ...]:
    """The conditions of a filter. Raises `FilterError`."""
    conditions = tuple(_condition(part) for part in _split(text))
    if len(conditions) > MAX_CONDITIONS:
        raise FilterError(f"more than {MAX_CONDITIONS} conditions")
    return conditions


def _condition(text: str) -> Condition:
    found = _CONDITION.fullmatch(text.strip())
    if found is None:
        raise FilterError(f"not of the form column=operator.value: {text}")
    column, operator, value = found["column"].strip(), found["operator"], found["value"]
    if operator == "in":
        values = _list(value)
    elif operator == "is" and value.lower() not in _IS:
        raise FilterError("is compares with null, true, false or unknown only")
    elif operator in _COMPARISONS or operator in _PATTERNS or operator in ("is", "isdistinct"):
        values = (_unquoted(value).lower() if operator == "is" else _unquoted(value),)
    else:
        raise FilterError(f"unknown operator {operator}")
    return Condition(column, operator, values, found["not"] is not None)


def _list(value: str) -> tuple[str, ...]:
    if not (value.startswith("(") and value.endswith(")")) or value == "()":
        raise FilterError("in wants a list in parentheses")
    values = tuple(_unquoted(part.strip()) for part in _split(value[1:-1]))
    if len(values) > MAX_IN_VALUES:
        raise FilterError(f"more than {MAX_IN_VALUES} values")
    return values


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL)
    return value


def _split(text: str) -> Iterator[str]:
    """The parts between commas that are neither quoted nor inside parentheses."""
    start = depth = at = 0
    quoted = False
    while at < len(text):
        character = text[at]
        if quoted:
            if character == "\\":
                at += 1
            elif character == '"':
                quoted = False
        elif character == '"' and text[at - 1 : at] in ("", ".", "(", ","):
            quoted = True
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == "," and depth == 0:
            yield text[start:at]
            start = at + 1
        at += 1
    if quoted or depth != 0:
        raise FilterError("a quote or parenthesis is not closed")
    yield text[start:]
