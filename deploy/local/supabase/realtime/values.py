"""PostgreSQL's text form of a value as the JSON that Realtime sends, which is that of `to_jsonb`.

Expects text written under `DateStyle = ISO` and `TimeZone = UTC`. Composite values and ranges stay text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

BOOLEAN = 16
INTEGERS = frozenset({20, 21, 23, 26})  # int8, int2, int4, oid
NUMBERS = frozenset({700, 701, 1700})  # float4, float8, numeric
JSONS = frozenset({114, 3802})  # json, jsonb
TIMESTAMP, TIMESTAMPTZ = 1114, 1184
# The text form is the value: equal values have equal text, so that a filter can compare without the database.
CANONICAL = frozenset({16, 18, 19, 20, 21, 23, 25, 26, 1043, 1082, 1114, 1184, 2950})

_SHORT_ZONE = re.compile(r"([+-]\d\d)$")
_NOT_A_NUMBER = frozenset({"NaN", "Infinity", "-Infinity"})

Json = object


@dataclass(frozen=True)
class Type:
    """A column's type. `name` is the catalogue's; `oid` is the base type's for a domain; `element` an array's."""

    name: str
    oid: int
    element: int | None = None
    delimiter: str = ","


def to_json(text: str | None, kind: Type) -> Json:
    """Something `orjson` can dump: numbers and documents pass through as they were written, digit by digit."""
    if text is None:
        return None
    if kind.element is not None:
        return _array(text, kind)
    return _scalar(text, kind.oid)


def _scalar(text: str, oid: int) -> Json:
    if oid == BOOLEAN:
        return text == "t"
    if oid in INTEGERS:
        return int(text)
    if oid in NUMBERS:
        return text if text in _NOT_A_NUMBER else orjson.Fragment(text)
    if oid in JSONS:
        return orjson.Fragment(text)
    if oid in (TIMESTAMP, TIMESTAMPTZ):
        return _SHORT_ZONE.sub(r"\1:00", text.replace(" ", "T", 1)) if oid == TIMESTAMPTZ else text.replace(" ", "T", 1)
    return text


def _array(text: str, kind: Type) -> Json:
    """`{1,NULL,"a b"}`, nested at will; an array with unusual lower bounds starts with `[0:1]=`."""
    assert kind.element is not None
    body = text[text.index("{") :]
    stack: list[list[Json]] = [[]]
    for piece, quoted in _pieces(body, kind.delimiter):
        if piece == "{" and not quoted:
            stack.append([])
        elif piece == "}" and not quoted:
            finished = stack.pop()
            stack[-1].append(finished)
        else:
            is_null = not quoted and piece == "NULL"
            stack[-1].append(None if is_null else _scalar(piece, kind.element))
    return stack[0][0]


def _pieces(body: str, delimiter: str) -> Iterator[tuple[str, bool]]:
    """Braces and elements, each with whether it was quoted."""
    pattern = re.compile(rf'"((?:[^"\\]|\\.)*)"|([{{}}])|([^"{{}}{re.escape(delimiter)}]+)', re.DOTALL)
    for found in pattern.finditer(body):
        quoted, brace, plain = found.groups()
        if quoted is not None:
            yield re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL), True
        else:
            yield brace or plain, False
