"""Plausible values for a response schema: an object that is valid for it, decided by the photo's bytes alone.

Reads Gemini's Schema (upper-case types, camelCase or snake_case keys) and JSON Schema (`$ref`, `const`, lists of
types). `pattern` is not honoured.
"""

import math
import random
import re
from typing import Any

from deploy.local.gemini.wire import Json, pick

_TEXTS: dict[str, tuple[str, ...]] = {
    "faceshape": ("oval", "round", "heart-shaped", "square", "diamond-shaped"),
    "eyeshape": ("almond", "round", "hooded", "upturned", "downturned"),
    "emotionalexpression": ("calm and friendly", "a gentle, relaxed smile", "attentive and content"),
    "overallanalysis": (
        "A balanced face with soft contours; the eyes draw the attention first.",
        "Harmonious proportions with a clear jawline and an open, friendly look.",
        "Even features and a warm expression; the cheekbones are gently defined.",
    ),
}
_FORMATS = {
    "date-time": "2026-01-15T12:00:00Z",
    "date": "2026-01-15",
    "time": "12:00:00Z",
    "uuid": "6f1d1c5e-4d0a-4f7e-9f43-1b1c6f0e2a55",
    "email": "person@example.com",
    "uri": "https://example.com/",
    "duration": "P1D",
}
_DEEPEST = 12


def plausible(schema: Json, seed: bytes) -> Any:
    """A value for `schema`; equal seeds give equal values."""
    return _Maker(schema, random.Random(seed)).value(schema, "", 0)  # noqa: S311 - looks, not secrets


class _Maker:
    def __init__(self, root: Json, rng: random.Random) -> None:
        self._root = root
        self._rng = rng

    def value(self, schema: Json, name: str, depth: int) -> Any:
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._rng.choice(schema["enum"])
        for choice in ("anyOf", "oneOf"):
            if options := pick(schema, choice):
                solid = [option for option in options if str(option.get("type", "")).lower() != "null"]
                return self.value(solid[0] if solid and depth < _DEEPEST else options[-1], name, depth + 1)
        kind = _kind(schema)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, name, depth)
        return self._plain(kind, schema, name)

    def _plain(self, kind: str, schema: Json, name: str) -> Any:
        match kind:
            case "integer":
                return self._integer(schema, name)
            case "number":
                return self._number(schema, name)
            case "boolean":
                return self._rng.random() < 0.5
            case "null":
                return None
            case _:
                return self._text(schema, name)

    def _resolved(self, schema: Json) -> Json:
        while (reference := schema.get("$ref")) is not None:
            target: Any = self._root
            for step in str(reference).removeprefix("#").strip("/").split("/"):
                target = target[step] if step else target
            schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
        for piece in pick(schema, "allOf") or ():
            schema = {**schema, **self._resolved(piece), "allOf": None}
        return schema

    def _object(self, schema: Json, depth: int) -> Json:
        required = schema.get("required") or ()
        wanted = {key: value for key, value in (schema.get("properties") or {}).items() if key in required or depth < 3}
        order = [key for key in pick(schema, "propertyOrdering") or () if key in wanted]
        return {
            key: self.value(wanted[key], key, depth + 1) for key in [*order, *(k for k in wanted if k not in order)]
        }

    def _array(self, schema: Json, name: str, depth: int) -> list[Any]:
        fixed = [self.value(item, name, depth + 1) for item in pick(schema, "prefixItems") or ()]
        low = int(pick(schema, "minItems") or 0)
        limit = pick(schema, "maxItems")
        count = max(low, 1 if schema.get("items") and depth < _DEEPEST else 0)
        count = count if limit is None else min(count, int(limit))
        items = schema.get("items") or {}
        return [*fixed, *(self.value(items, name, depth + 1) for _ in range(count - len(fixed)))]

    def _integer(self, schema: Json, name: str) -> int:
        if multiple := int(pick(schema, "multipleOf") or 0):
            return self._multiple(schema, multiple) * multiple
        low, high = _bounds(schema, name, 1)
        return self._rng.randint(math.ceil(low), max(math.ceil(low), math.floor(high)))

    def _number(self, schema: Json, name: str) -> float:
        if multiple := float(pick(schema, "multipleOf") or 0):
            return self._multiple(schema, multiple) * multiple
        low, high = _bounds(schema, name, 1e-6)
        return min(high, max(low, round(self._rng.uniform(low, high), 1)))

    def _multiple(self, schema: Json, step: float) -> int:
        low, high = _limits(schema, step)
        lowest = math.ceil((low if low is not None else 0 if high is None else high - 10 * step) / step)
        return self._rng.randint(lowest, lowest + 10 if high is None else math.floor(high / step))

    def _text(self, schema: Json, name: str) -> str:
        if (form := schema.get("format")) in _FORMATS:
            return _FORMATS[form]
        key = re.sub(r"[^a-z]", "", name.lower())
        text = self._rng.choice(_TEXTS[key]) if key in _TEXTS else f"a fitting {name or 'value'}"
        shortest, longest = int(pick(schema, "minLength") or 0), pick(schema, "maxLength")
        text = text.ljust(shortest, ".")
        return text if longest is None else text[: int(longest)]


def _limits(schema: Json, step: float) -> tuple[float | None, float | None]:
    """The least and the greatest value allowed; next to an exclusive bound by `step`."""
    lows = [schema.get("minimum"), _moved(pick(schema, "exclusiveMinimum"), step)]
    highs = [schema.get("maximum"), _moved(pick(schema, "exclusiveMaximum"), -step)]
    return (
        max((float(low) for low in lows if low is not None), default=None),
        min((float(high) for high in highs if high is not None), default=None),
    )


def _moved(bound: float | None, by: float) -> float | None:
    return None if bound is None else bound + by


def _bounds(schema: Json, name: str, step: float) -> tuple[float, float]:
    """A range of plausible values inside the limits: of adults for an age, of good scores for the rest."""
    usual = (22.0, 58.0) if name.lower().endswith("age") else (55.0, 95.0)
    low, high = _limits(schema, step)
    bottom = usual[0] if low is None else max(low, usual[0])
    top = usual[1] if high is None else min(high, usual[1])
    if bottom > top:  # the limits leave nothing of what is usual
        bottom = low if low is not None else top - 1
        top = high if high is not None else bottom + 1
    return bottom, top


def _kind(schema: Json) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if str(one).lower() != "null"), "null")
    if kind is None:
        kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
    return str(kind).lower()
