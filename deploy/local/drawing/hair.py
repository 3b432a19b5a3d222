"""Hair: a style described by a few traits, and how it is drawn around the face.

`hair_back` is what falls behind the head and the shoulders, `hair_front` the cap and the fringe.
"""

import math
import random
from dataclasses import dataclass
from typing import Literal

from deploy.local.drawing.canvas import Colour, Pen, Point, blank_mask, darker, lighter, smooth

Length = Literal["short", "jaw", "shoulder", "long"]
Texture = Literal["straight", "wavy", "curly", "braided"]
Fringe = Literal["swept", "side", "bangs", "curtain", "up"]

_ENDS: dict[Length, float] = {"short": 0.50, "jaw": 0.69, "shoulder": 0.80, "long": 1.0}
_FRINGES: dict[Fringe, list[Point]] = {  # the hairline from the right temple to the left one
    "swept": [(0.655, 0.375), (0.61, 0.31), (0.50, 0.285), (0.39, 0.31), (0.345, 0.375)],
    "side": [(0.662, 0.40), (0.645, 0.345), (0.59, 0.325), (0.48, 0.335), (0.405, 0.300), (0.372, 0.345),
             (0.345, 0.40)],
    "bangs": [(0.662, 0.405), (0.62, 0.382), (0.56, 0.375), (0.50, 0.371), (0.44, 0.375), (0.38, 0.382),
              (0.338, 0.405)],
    "curtain": [(0.665, 0.43), (0.645, 0.375), (0.585, 0.335), (0.50, 0.265), (0.415, 0.335), (0.355, 0.375),
                (0.335, 0.43)],
    "up": [(0.652, 0.37), (0.60, 0.300), (0.50, 0.288), (0.40, 0.300), (0.348, 0.37)],
}  # fmt: skip


@dataclass(frozen=True)
class Hair:
    """One hairstyle.

    `volume` is how far it stands off the head, 0 (cropped) to 1 (an afro); `lean` parts it left or right.
    """

    length: Length = "short"
    texture: Texture = "straight"
    fringe: Fringe = "side"
    volume: float = 0.3
    bun: bool = False
    lean: float = 0.0


def hair_back(pen: Pen, hair: Hair, colour: Colour) -> None:
    """The hair behind the head. Draw it before the body, or keep face and neck clear of it."""
    shade = darker(colour, 0.22)
    wide = 0.200 + 0.09 * hair.volume
    if hair.bun:
        pen.ellipse((0.5 + hair.lean * 0.12, 0.185 - 0.05 * hair.volume), 0.085, 0.078, shade)
        pen.ellipse((0.5 + hair.lean * 0.12, 0.178 - 0.05 * hair.volume), 0.070, 0.062, colour)
    if hair.texture == "curly":
        grow = 0.10 * hair.volume + 0.03
        pen.polygon([*_arc(grow, 0.94, 2.06), (0.5, 0.5)], shade)
        _ring(pen, hair, shade, low=0.53)
    if hair.length == "short":
        return
    end = _ENDS[hair.length]
    if hair.texture == "braided":
        _braids(pen, colour, shade, wide, end)
    else:
        _fall(pen, hair, colour, wide, end)


def _braids(pen: Pen, colour: Colour, shade: Colour, wide: float, end: float) -> None:
    pen.polygon([(0.5 - wide, 0.40), (0.5 + wide, 0.40), (0.5 + wide, 0.56), (0.5 - wide, 0.56)], shade)
    for place in range(11):
        u = 0.5 + (place - 5) * wide / 4.9
        _braid(pen, (u, 0.38 + 0.012 * abs(place - 5)), (u + (place - 5) * 0.006, end), colour)


def _fall(pen: Pen, hair: Hair, colour: Colour, wide: float, end: float) -> None:
    shade = darker(colour, 0.22)
    waves = {"straight": 0.0, "wavy": 0.018, "curly": 0.0, "braided": 0.0}[hair.texture]
    rows = 9
    right: list[Point] = []
    for row in range(rows):
        t = row / (rows - 1)
        flare = wide + 0.035 * t * (1 if hair.texture != "straight" else 0.3) + waves * math.sin(row * 1.9)
        right.append((0.5 + flare * (0.9 if row == 0 else 1), 0.43 + (end - 0.43) * t))
    right.append((0.5 + wide * 0.55, end + 0.018))
    contour = smooth([*((1 - u, v) for u, v in right), *reversed(right)])
    pen.polygon([*contour, (0.5, 0.25)], shade)
    for strand in range(-6, 7):
        u = 0.5 + strand * wide / 6.2
        sway = waves * 1.2
        pen.stroke(
            smooth([(u, 0.45), (u + sway, 0.58), (u - sway, 0.72), (u + sway, min(end, 0.86)), (u, end)])
            if end > 0.72
            else smooth([(u, 0.45), (u + sway, 0.56), (u, end)]),
            0.004,
            (*darker(colour, 0.38), 150),
        )
    if hair.texture == "curly":
        for u, v in contour[:: max(1, len(contour) // 34)]:
            if v > 0.3:
                _curl(pen, (u, v), 0.036, shade)


def hair_front(pen: Pen, hair: Hair, colour: Colour) -> None:
    """The cap on the head with its fringe and, on longer styles, the locks beside the face."""
    off = 0.012 + 0.075 * hair.volume
    lift = 0.052 if hair.fringe == "up" else 0.0
    if hair.texture == "curly":
        _ring(pen, hair, colour, low=0.47)
    low = 0.475 if hair.length == "short" else 0.50
    outer: list[Point] = []
    for step in range(25):
        angle = math.pi * (1 + step / 24)
        x, y = math.cos(angle), math.sin(angle)
        tilt = hair.lean * 0.05 * x * y
        outer.append((0.5 + (0.192 + off * 0.8) * x, low - 0.03 + (0.252 + off + lift) * y + tilt))
    hairline = [(u, v + hair.lean * (u - 0.5) * 0.25) for u, v in _FRINGES[hair.fringe]]
    side = 0.176 if hair.length == "short" else 0.171
    contour = [(0.5 - 0.192 - off * 0.7, low), *outer, (0.5 + 0.192 + off * 0.7, low), (0.5 + side, low - 0.005)]
    edge = smooth([(0.5 + side, low - 0.005), *hairline, (0.5 - side, low - 0.005)])
    pen.polygon([*contour, *edge], colour)
    if hair.length != "short" and hair.texture != "braided":
        _locks(pen, hair, colour, off)
    combed = pen.image.copy()
    _strands(Pen(combed), hair, colour, off + lift, hairline)
    cap = blank_mask(pen.image)
    Pen(cap).polygon([*contour, *edge], 255)
    pen.image.paste(combed, mask=cap)
    if hair.texture == "curly":
        for u, v in smooth(hairline, steps=5)[3:-3:3]:
            _curl(pen, (u, v - 0.022), 0.029, colour)
    if hair.texture == "braided":
        for place in range(-4, 5):
            start = (0.5 + place * 0.026, 0.225 - off + 0.0022 * place * place)
            _braid(pen, start, (0.5 + place * 0.0365, 0.288 + 0.0052 * place * place), colour, 0.75)
        for side in (-1, 1):
            for u in (0.182, 0.215):
                _braid(pen, (0.5 + side * u, 0.37), (0.5 + side * (u + 0.012), min(_ENDS[hair.length], 0.95)), colour)


def _locks(pen: Pen, hair: Hair, colour: Colour, off: float) -> None:
    end = min(_ENDS[hair.length], 0.93)
    for side in (-1, 1):
        wave = 0.014 if hair.texture != "straight" else 0.0
        inner = smooth([(0.5 + side * 0.150, 0.36), (0.5 + side * 0.176, 0.46), (0.5 + side * (0.166 + wave), 0.56),
                        (0.5 + side * (0.172 - wave), 0.66), (0.5 + side * (0.19 + wave), end)])  # fmt: skip
        outside = smooth([(0.5 + side * (0.235 + off * 0.5), end), (0.5 + side * (0.222 + wave + off), 0.60),
                          (0.5 + side * (0.200 + off * 0.8), 0.42), (0.5 + side * 0.17, 0.33)])  # fmt: skip
        pen.polygon([*(p for p in inner if p[1] <= end), *outside], colour)
        middle = [((a[0] + b[0]) / 2, a[1]) for a, b in zip(inner[10:], reversed(outside), strict=False)]
        if len(middle) > 2:
            pen.stroke(middle, 0.004, (*darker(colour, 0.3), 120))
        if hair.texture == "curly":
            for row in range(int((end - 0.42) / 0.045)):
                _curl(pen, (0.5 + side * (0.205 + off * 0.6 + 0.012 * (row % 2)), 0.42 + row * 0.045), 0.034, colour)


def _strands(pen: Pen, hair: Hair, colour: Colour, height: float, hairline: list[Point]) -> None:
    """Lines of shade and of light that follow the hair from the parting to the hairline."""
    top = (0.5 - hair.lean * 0.25, 0.215 - height)
    for index, (u, v) in enumerate(smooth(hairline, steps=3)[1:-1]):
        bend = ((top[0] + u) / 2 + (u - 0.5) * 0.30, (top[1] + v) / 2 - 0.012)
        tone = darker(colour, 0.28) if index % 2 else lighter(colour, 0.13)
        start = (top[0] + (u - top[0]) * 0.22, top[1] + 0.028)
        pen.stroke(smooth([start, bend, (u, v - 0.006)]), 0.0035, (*tone, 140))
    shine = smooth([(0.385, 0.300 - height * 0.8), (0.44, 0.258 - height), (0.53, 0.246 - height)])
    pen.stroke(shine, 0.011, (*lighter(colour, 0.4), 75))


def _ring(pen: Pen, hair: Hair, colour: Colour, low: float) -> None:
    """Curls along the outside of the head, down to the height `low`."""
    rng = random.Random(7)  # noqa: S311 - looks, not secrets
    for layer, grow in ((0, 0.10 * hair.volume + 0.035), (1, 0.05 * hair.volume)):
        for step in range(30):
            place = _arc(grow, 0.92, 2.08)[step]
            if place[1] < low:
                _curl(pen, place, 0.032 + 0.014 * rng.random() + 0.01 * layer, colour)


def _arc(grow: float, start: float, end: float) -> list[Point]:
    """30 points on the outside of the head, between two angles in half turns; 1.5 is the crown."""
    angles = [math.pi * (start + (end - start) * step / 29) for step in range(30)]
    return [(0.5 + (0.192 + grow) * math.cos(a), 0.43 + (0.225 + grow) * math.sin(a)) for a in angles]


def _curl(pen: Pen, centre: Point, radius: float, colour: Colour) -> None:
    pen.ellipse(centre, radius, radius, colour)
    spiral = [
        (
            centre[0] + radius * (0.75 - t / 16) * math.cos(t * 0.7),
            centre[1] + radius * (0.75 - t / 16) * math.sin(t * 0.7),
        )
        for t in range(9)
    ]
    pen.stroke(spiral, 0.0035, (*darker(colour, 0.3), 150))


def _braid(pen: Pen, start: Point, end: Point, colour: Colour, size: float = 1.0) -> None:
    knots = max(3, round(math.dist(start, end) / (0.024 * size)))
    for knot in range(knots):
        t = knot / (knots - 1)
        u, v = start[0] + (end[0] - start[0]) * t, start[1] + (end[1] - start[1]) * t
        pen.ellipse((u, v), 0.019 * size, 0.017 * size, darker(colour, 0.34))
        pen.ellipse((u, v - 0.002), 0.015 * size, 0.012 * size, lighter(colour, 0.05 if knot % 2 else 0.14))
