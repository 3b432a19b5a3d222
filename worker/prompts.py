"""What Gemini is asked: one line of English per tool, in code, filled from validated values only.

A prompt holds nothing a client could write freely: the stored parameters pass `schemas.tools` once more here, and a
hairstyle appears under the catalogue's own name.

Every picture prompt reads `Edit this portrait: <change>. <what stays>`; the change names the tool in its first words
and each value in a fixed spelling (`#rrggbb`, `42 years`, `70 per cent`, a quoted name).
"""

import re
from collections.abc import Callable, Mapping

from schemas.tools import PICTURE_TOOLS, SKIN_TONES, InvalidParametersError, UnknownToolError, parse_parameters

HAIR_COLOR_NAMES: Mapping[str, str] = {
    "000000": "black",
    "4e342e": "dark brown",
    "6d4c41": "medium brown",
    "d7ccc8": "platinum blonde",
    "ffeb3b": "yellow",
    "f44336": "red",
    "e91e63": "pink",
    "9c27b0": "purple",
    "3f51b5": "indigo",
    "03a9f4": "light blue",
    "4caf50": "green",
    "bcaaa4": "ash brown",
}
CHANGES: Mapping[str, str] = {
    "hairstyle": 'give the person the hairstyle "{style}" {hair}',
    "hair-color": "change the hair colour of the person to {color} with natural shading",
    "eye-color": "change the eye colour of the person to {eyeColor} with natural irises",
    "skin-color": "change the skin tone of the person to {skinTone}, evenly on all visible skin",
    "beard": "change the beard of the person to {beardStyle}",
    "age": "make the person look {age} years old",
    "smile": "make the person smile with an intensity of {intensity} per cent, with natural teeth and eyes",
    "fat": "make the face and body of the person fatter with an intensity of {intensity} per cent",
    "bald": "make the person bald with an intensity of {intensity} per cent, where 100 per cent is no hair at all",
    "halloween": "give the person a Halloween look in the style {halloweenStyle}",
}
BEARDS: Mapping[str, str] = {
    "Clean Shaven": "clean-shaven skin without any beard or moustache",
    "Stubble": "short, even stubble",
    "Goatee": "a neatly trimmed goatee",
}
HALLOWEEN: Mapping[str, str] = {
    "face only": "detailed Halloween make-up on the face and nothing else",
    "whole figure": "a Halloween costume for the whole figure with matching make-up",
    "add objects": "pumpkins, bats and candles placed around the person",
}
KEEP = (
    "Apart from this change keep the person's identity, pose, clothing, camera angle, lighting and background exactly "
    "as they are, and return one photorealistic picture in the same framing without text or borders."
)
ANALYSIS = (
    "Analyse the face in this portrait and answer with the requested JSON only: every score is a number from 0 to 100, "
    "perceivedAge is a whole number of years, and descriptions are one or two friendly, factual sentences in English."
)

_STYLE_NAME = re.compile(r"[^\W_][\w '’&/().,+-]{0,79}")


def picture_prompt(tool: str, parameters: object, style_name: str | None = None) -> str:
    """The prompt of a picture tool; `style_name` is the catalogue's name of the hairstyle asked for.

    Raises `UnknownToolError` or `InvalidParametersError` when the tool or a value is not one that the product has.
    """
    if tool not in PICTURE_TOOLS:
        raise UnknownToolError(tool)
    values = parse_parameters(tool, parameters)
    words = {field: _IN_WORDS.get(field, str)(str(value)) for field, value in values.items()}
    if tool == "hairstyle":
        if style_name is None or not _STYLE_NAME.fullmatch(style_name):
            raise InvalidParametersError([("style", "has no usable name in the catalogue")])
        words["style"] = style_name
        words["hair"] = (
            f"with the hair coloured {words['color']}" if "color" in words else "in their present hair colour"
        )
    return f"Edit this portrait: {CHANGES[tool].format_map(words)}. {KEEP}"


def _color(value: str) -> str:
    return f"{HAIR_COLOR_NAMES[value]} (#{value})"


_IN_WORDS: Mapping[str, Callable[[str], str]] = {
    "color": _color,
    "eyeColor": _color,
    "skinTone": lambda name: f"{name} (#{SKIN_TONES[name]})",
    "beardStyle": lambda name: f'"{name}": {BEARDS[name]}',
    "halloweenStyle": lambda name: f'"{name}": {HALLOWEEN[name]}',
}
