"""Draws a portrait of a person who does not exist: the photo of the demo and of the tests.

The same size and seed always give the same picture. `python -m deploy.local.portrait out.jpg` writes one.
"""

import io
import random
import sys
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from deploy.local.drawing import face
from deploy.local.drawing.canvas import (
    Colour,
    Frame,
    Pen,
    blank_mask,
    darker,
    from_hex,
    mix,
    smooth,
    soften,
    wash,
)
from deploy.local.drawing.hair import Hair, hair_back, hair_front

_DRAWN_AT_MOST = 2400
"""Longest side drawn; larger pictures are enlarged from it."""

_SKINS = ("f6d5bd", "f0c8a0", "e0ac7e", "c68a5c", "9c6641", "6f4630")
_HAIRS = ("2b1d17", "4e342e", "7b4a2a", "b5793c", "d9b26a", "1f1b1e", "8c3b22")
_EYES = ("5b3a21", "3f6f8f", "4d7a4a", "7a5a33")
_SHIRTS = ("2f6f8f", "c9504f", "3f7d5a", "e0a83e", "6a5aa0", "e8e4da")
_BACKGROUNDS = (("cfe3ee", "9fc0d6"), ("f3e3d3", "dcbfa6"), ("dde8d6", "b3cba8"), ("e9dcf0", "c3aed2"))
_STYLES = (
    Hair("shoulder", "wavy", "side", 0.30, lean=0.3),
    Hair("short", "straight", "up", 0.30, lean=0.3),
    Hair("long", "straight", "curtain", 0.28),
    Hair("short", "curly", "side", 0.30),
    Hair("jaw", "straight", "bangs", 0.32),
    Hair("short", "straight", "side", 0.22, lean=-0.4),
)


@dataclass(frozen=True)
class _Person:
    skin: Colour
    hair: Colour
    eyes: Colour
    shirt: Colour
    background: tuple[Colour, Colour]
    style: Hair


def _person(seed: int) -> _Person:
    if seed == 0:  # the one the demo shows
        places: tuple[int, ...] = (1, 1, 1, 0, 1, 0)
    else:
        rng = random.Random(seed)  # noqa: S311 - looks, not secrets
        places = tuple(map(rng.randrange, map(len, (_SKINS, _HAIRS, _EYES, _SHIRTS, _BACKGROUNDS, _STYLES))))
    skin, hair, eyes, shirt, background, style = places
    top, bottom = _BACKGROUNDS[background]
    return _Person(
        skin=from_hex(_SKINS[skin]),
        hair=from_hex(_HAIRS[hair]),
        eyes=from_hex(_EYES[eyes]),
        shirt=from_hex(_SHIRTS[shirt]),
        background=(from_hex(top), from_hex(bottom)),
        style=_STYLES[style],
    )


def portrait(width: int = 768, height: int = 1024, seed: int = 0) -> Image.Image:
    """An RGB picture of a person, head in the middle. Seeds vary skin, hair, eyes, shirt and background."""
    scale = min(2.0, _DRAWN_AT_MOST / max(width, height))
    image = Image.new("RGB", (max(1, round(width * scale)), max(1, round(height * scale))))
    person = _person(seed)
    _background(image, *person.background)
    pen = Pen(image)
    hair_back(pen, person.style, person.hair)
    _body(image, pen, person)
    _head(image, pen, person)
    hair_front(pen, person.style, person.hair)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _background(image: Image.Image, top: Colour, bottom: Colour) -> None:
    column = Image.new("RGB", (1, 64))
    for row in range(64):
        column.putpixel((0, row), mix(top, bottom, row / 63))
    image.paste(column.resize(image.size, Image.Resampling.BICUBIC))


def _body(image: Image.Image, pen: Pen, person: _Person) -> None:
    bottom = Frame(*image.size).bottom + 0.1
    left = smooth([(0.40, 0.795), (0.30, 0.835), (0.19, 0.875), (0.125, 0.96), (0.09, 1.12)])
    shirt = [*left, (0.07, bottom), (0.93, bottom), *((1 - u, v) for u, v in reversed(left))]
    pen.polygon(shirt, person.shirt)
    for side in (-1, 1):
        fold = smooth([(0.5 + side * 0.27, 0.97), (0.5 + side * 0.255, 1.06), (0.5 + side * 0.27, bottom)])
        pen.stroke(fold, 0.006, (*darker(person.shirt, 0.3), 150))
    pen.polygon(face.neck(), person.skin)
    shadow = blank_mask(image)
    Pen(shadow).polygon(
        smooth([(0.42, 0.63), (0.58, 0.63), (0.575, 0.74), (0.5, 0.765), (0.425, 0.74)], closed=True), 255
    )
    wash(image, darker(person.skin, 0.45), soften(shadow, 0.012), 0.5)
    collar = smooth([(0.375, 0.80), (0.40, 0.855), (0.5, 0.905), (0.60, 0.855), (0.625, 0.80)])
    pen.stroke(collar, 0.020, darker(person.shirt, 0.16))


def _head(image: Image.Image, pen: Pen, person: _Person) -> None:
    skin = person.skin
    face.draw_ears(pen, skin)
    pen.polygon(face.outline(), skin)
    shade = blank_mask(image)
    Pen(shade).polygon(face.outline(), 255)
    lit = blank_mask(image)
    Pen(lit).ellipse((0.478, 0.435), 0.165, 0.225, 255)
    shade.paste(0, mask=soften(lit, 0.03))
    wash(image, darker(skin, 0.4), shade, 0.42)
    for u in (0.392, 0.608):
        blush = blank_mask(image)
        Pen(blush).ellipse((u, 0.545), 0.038, 0.027, 255)
        wash(image, mix(skin, (226, 84, 84), 0.55), soften(blush, 0.016), 0.5)
    brow = mix(darker(person.hair, 0.15), skin, 0.12)
    face.draw_eyes(pen, person.eyes, darker(brow, 0.55), skin)
    face.draw_brows(pen, brow)
    face.draw_nose(pen, skin)
    face.draw_mouth(pen, skin, mix(skin, (186, 48, 62), 0.55))


def jpeg(image: Image.Image, *, quality: int = 90, gps: bool = False, orientation: int | None = None) -> bytes:
    """The picture as a JPEG. `gps` adds a place to its EXIF data, `orientation` (1–8) that tag."""
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    if gps:
        exif[0x010F] = "Example Camera"
        exif[0x8825] = {1: "N", 2: (30.0, 2.0, 40.0), 3: "E", 4: (31.0, 14.0, 9.0)}
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, **({"exif": exif.tobytes()} if len(exif) else {}))
    return out.getvalue()


def png(image: Image.Image) -> bytes:
    """The picture as a PNG."""
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=3)
    return out.getvalue()


def main() -> None:
    """Write a portrait to the file named on the command line."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m deploy.local.portrait FILE.jpg|FILE.png")
    target = Path(sys.argv[1])
    picture = portrait()
    target.write_bytes(png(picture) if target.suffix.lower() == ".png" else jpeg(picture))


if __name__ == "__main__":
    main()
