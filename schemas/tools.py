"""The tools and what may be asked of them: one model a tool, strict, with every default applied.

`parse_parameters` turns what a client sent into the one canonical form that is stored, hashed and shown: defaults
filled in, hair colours as lower-case hex without `#`, skin tones by name. Nothing passes as free text: a value is an
enum, a bounded integer, or the id of a catalogue hairstyle, whose existence the database checks.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

HAIR_COLORS = (
    "000000",
    "4e342e",
    "6d4c41",
    "d7ccc8",
    "ffeb3b",
    "f44336",
    "e91e63",
    "9c27b0",
    "3f51b5",
    "03a9f4",
    "4caf50",
    "bcaaa4",
)
SKIN_TONES: Mapping[str, str] = {
    "Ivory": "fdf4e3",
    "Beige": "f0d6b5",
    "Sand": "e4b88a",
    "Tan": "d1a368",
    "Bronze": "b88846",
    "Sienna": "a06a39",
    "Umber": "8c5a2d",
    "Espresso": "6b4423",
    "Chocolate": "543419",
    "Ebony": "3e2510",
}
_SKIN_NAMES = {hex_: name for name, hex_ in SKIN_TONES.items()}


class UnknownToolError(Exception):
    """No tool has this id."""


class InvalidParametersError(Exception):
    """A value is missing, unknown or outside its range. Carries every fault found, each with its field."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        self.errors = errors
        self.field, self.reason = errors[0]
        super().__init__(f"{self.field}: {self.reason}")


def _hex(value: str) -> str:
    return value.removeprefix("#").lower()


def _hair_color(value: object) -> str:
    if isinstance(value, str) and (color := _hex(value)) in HAIR_COLORS:
        return color
    raise PydanticCustomError("hair_color", "must be one of the catalogue's hair colours")


def _skin_tone(value: object) -> str:
    if isinstance(value, str):
        if value in SKIN_TONES:
            return value
        if name := _SKIN_NAMES.get(_hex(value)):
            return name
    raise PydanticCustomError("skin_tone", "must be one of the catalogue's skin tones")


def _any_case(text: str) -> str:
    return "".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in text)


_HEXES = "|".join(map(_any_case, HAIR_COLORS))
_TONES = "|".join([*SKIN_TONES, *(f"#?{_any_case(hex_)}" for hex_ in _SKIN_NAMES)])
HairColor = Annotated[
    str,
    BeforeValidator(_hair_color),
    WithJsonSchema({"type": "string", "pattern": f"^#?({_HEXES})$", "examples": ["e91e63"]}),
]
SkinTone = Annotated[
    str,
    BeforeValidator(_skin_tone),
    WithJsonSchema({"type": "string", "pattern": f"^({_TONES})$", "examples": ["Sand"]}),
]
StyleId = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64, examples=["female-short-1"])]


class Parameters(BaseModel):
    """What every tool's parameters have in common: camelCase, no coercion, nothing unknown."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, alias_generator=to_camel)


class NoParameters(Parameters):
    """The analysis takes none."""


class HairstyleParameters(Parameters):
    """A catalogue hairstyle; without a colour the hair keeps its own."""

    style: StyleId
    color: HairColor | None = None


class HairColorParameters(Parameters):
    color: HairColor


class EyeColorParameters(Parameters):
    eye_color: HairColor


class SkinColorParameters(Parameters):
    skin_tone: SkinTone


class BeardParameters(Parameters):
    beard_style: Literal["Clean Shaven", "Stubble", "Goatee"] = "Stubble"


class AgeParameters(Parameters):
    """The age to look, in years."""

    age: Annotated[int, Field(ge=10, le=90)] = 40


class IntensityParameters(Parameters):
    """How strong the effect is, in per cent."""

    intensity: Annotated[int, Field(ge=0, le=100)] = 50


class HalloweenParameters(Parameters):
    halloween_style: Literal["face only", "whole figure", "add objects"] = "face only"


PICTURE_TOOLS: Mapping[str, type[Parameters]] = {
    "hairstyle": HairstyleParameters,
    "hair-color": HairColorParameters,
    "eye-color": EyeColorParameters,
    "skin-color": SkinColorParameters,
    "beard": BeardParameters,
    "age": AgeParameters,
    "smile": IntensityParameters,
    "fat": IntensityParameters,
    "bald": IntensityParameters,
    "halloween": HalloweenParameters,
}
ANALYSIS = "analysis"
TOOLS: Mapping[str, type[Parameters]] = {**PICTURE_TOOLS, ANALYSIS: NoParameters}


def parse_parameters(tool_id: str, raw: object) -> dict[str, object]:
    """The canonical parameters of a tool, keys as on the wire; an optional value that is not given is left out.

    Raises `UnknownToolError`, or `InvalidParametersError` with each field that is wrong. Values sent are never repeated
    in an error, unknown names only cut short.
    """
    model = TOOLS.get(tool_id)
    if model is None:
        raise UnknownToolError(tool_id)
    if not isinstance(raw, dict):
        raise InvalidParametersError([("toolParameters", "must be an object")])
    try:
        parameters = model.model_validate(raw)
    except ValidationError as error:
        raise InvalidParametersError(faults(error)) from None
    return parameters.model_dump(by_alias=True, exclude_none=True)


def faults(error: ValidationError) -> list[tuple[str, str]]:
    """A field and a reason for each fault that pydantic found, in words for an app's developer."""
    return [
        (".".join(str(part) for part in fault["loc"])[:64] or "body", _reason(fault))
        for fault in error.errors(include_url=False, include_input=False)
    ]


def _reason(fault: ErrorDetails) -> str:
    match fault["type"]:
        case "extra_forbidden":
            return "is not a known field"
        case "missing":
            return "is required"
        case "string_pattern_mismatch":
            return "is not an id of the catalogue"
        case _:
            return fault["msg"].removeprefix("Input ").replace("should", "must", 1)
