"""Where the parts of a centred face are, in unit coordinates, and how the parts are drawn.

The sample portrait is drawn from these numbers, and the stand-in's edits paint on the same ones, so that an edit of the
sample portrait fits; on any other centred portrait it lands near enough to be obvious.
"""

import math

from deploy.local.drawing.canvas import Colour, Pen, Point, darker, lighter, mix, smooth

CENTRE: Point = (0.5, 0.46)
HALF_WIDTH = 0.182
HALF_HEIGHT = 0.235
EYES: tuple[Point, Point] = ((0.426, 0.455), (0.574, 0.455))
IRIS = 0.0205
MOUTH: Point = (0.5, 0.597)
CHIN = CENTRE[1] + HALF_HEIGHT
SHOULDERS = 0.82


def outline(grow: float = 0.0, top: float = 0.0) -> list[Point]:
    """The head's contour: an oval that narrows to the chin. `grow` widens it all round, `top` raises the crown."""
    points = []
    for step in range(120):
        angle = step / 120 * math.tau
        x, y = math.cos(angle), math.sin(angle)
        narrow = 1 - 0.16 * max(0.0, y) ** 1.6
        rise = top if y < 0 else 0.0
        points.append((CENTRE[0] + (HALF_WIDTH + grow) * x * narrow, CENTRE[1] + (HALF_HEIGHT + grow + rise) * y))
    return points


def neck() -> list[Point]:
    left = smooth([(0.425, 0.60), (0.425, 0.72), (0.418, 0.79), (0.398, 0.84)])
    right = [(1 - u, v) for u, v in reversed(left)]
    return [*left, (0.5, 0.90), *right]


def draw_ears(pen: Pen, skin: Colour) -> None:
    for side in (-1, 1):
        u = 0.5 + side * 0.181
        pen.ellipse((u, 0.475), 0.027, 0.048, darker(skin, 0.06))
        pen.ellipse((u + side * 0.003, 0.475), 0.014, 0.030, darker(skin, 0.17))


def draw_eyes(pen: Pen, iris: Colour, lashes: Colour, skin: Colour) -> None:
    for side, (u, v) in zip((-1, 1), EYES, strict=True):
        lid = smooth(
            [(u - side * 0.040, v + 0.006), (u - side * 0.016, v - 0.021), (u + side * 0.016, v - 0.022),
             (u + side * 0.043, v - 0.004)]
        )  # fmt: skip
        low = smooth([(u + side * 0.043, v - 0.004), (u + side * 0.01, v + 0.020), (u - side * 0.040, v + 0.006)])
        pen.polygon([*lid, *low], (252, 251, 249))
        draw_iris(pen, (u, v), iris)
        pen.stroke(lid, 0.0085, lashes)
        pen.stroke(smooth([(u + side * 0.038, v - 0.006), (u + side * 0.052, v - 0.015)]), 0.006, lashes)
        pen.stroke(low, 0.003, darker(skin, 0.25))
        crease = [(a, b - 0.016) for a, b in lid]
        pen.stroke(crease, 0.003, darker(skin, 0.20))


def draw_iris(pen: Pen, eye: Point, iris: Colour) -> None:
    u, v = eye
    pen.ellipse((u, v), IRIS, IRIS, darker(iris, 0.45))
    pen.ellipse((u, v), IRIS * 0.84, IRIS * 0.84, iris)
    pen.ellipse((u, v + 0.006), IRIS * 0.55, IRIS * 0.5, lighter(iris, 0.25))
    pen.ellipse((u, v), IRIS * 0.46, IRIS * 0.46, (18, 14, 16))
    pen.ellipse((u + 0.007, v - 0.008), 0.0062, 0.0062, (255, 255, 255))


def draw_brows(pen: Pen, colour: Colour, lift: float = 0.0) -> None:
    for side, (u, v) in zip((-1, 1), EYES, strict=True):
        top = smooth(
            [(u - side * 0.046, v - 0.060), (u + side * 0.014, v - 0.072 - lift), (u + side * 0.058, v - 0.046)]
        )
        under = smooth(
            [(u + side * 0.058, v - 0.046), (u + side * 0.014, v - 0.059 - lift), (u - side * 0.045, v - 0.045)]
        )
        pen.polygon([*top, *under], colour)


def draw_nose(pen: Pen, skin: Colour) -> None:
    pen.stroke(smooth([(0.487, 0.475), (0.481, 0.505), (0.478, 0.525)]), 0.004, darker(skin, 0.13))
    pen.stroke(smooth([(0.468, 0.536), (0.472, 0.547), (0.487, 0.547), (0.5, 0.553), (0.513, 0.547),
                       (0.528, 0.547), (0.532, 0.536)]), 0.0055, darker(skin, 0.28))  # fmt: skip
    pen.ellipse((0.503, 0.525), 0.010, 0.011, lighter(skin, 0.22))


def draw_mouth(pen: Pen, skin: Colour, lips: Colour, smile: float = 0.25) -> None:
    """A mouth from straight (`smile` 0) to a broad grin with teeth (`smile` 1)."""
    u, v = MOUTH
    half = 0.052 + 0.034 * smile
    lift = 0.030 * smile - 0.002
    opening = max(0.0, smile - 0.4) * 0.062
    corner_left, corner_right = (u - half, v - lift), (u + half, v - lift)
    upper = smooth(
        [
            corner_left,
            (u - 0.024, v - 0.014 - lift * 0.1),
            (u, v - 0.008),
            (u + 0.024, v - 0.014 - lift * 0.1),
            corner_right,
        ]
    )
    seam = smooth([corner_right, (u, v + 0.004 + lift * 0.35), corner_left])
    lower = smooth([corner_left, (u, v + 0.030 + opening + lift * 0.45), corner_right])
    pen.polygon([*upper, *reversed(lower)], lips)
    pen.polygon([*upper, *seam], darker(lips, 0.12))
    if opening > 0:
        gum = smooth(
            [
                (u + half * 0.9, v - lift * 0.85),
                (u, v + 0.012 + opening + lift * 0.4),
                (u - half * 0.9, v - lift * 0.85),
            ]
        )
        pen.polygon([*seam, *reversed(gum)], (110, 30, 38))
        teeth = smooth(
            [
                (u + half * 0.82, v - lift * 0.75),
                (u, v + 0.004 + opening * 0.72 + lift * 0.36),
                (u - half * 0.82, v - lift * 0.75),
            ]
        )
        pen.polygon([*seam, *reversed(teeth)], (253, 252, 248))
    pen.stroke(seam, 0.0045, darker(lips, 0.5))
    for side, (a, b) in ((-1, corner_left), (1, corner_right)):
        dimple = smooth([(a + side * 0.002, b - 0.010), (a + side * 0.009, b), (a + side * 0.003, b + 0.012)])
        pen.stroke(dimple, 0.004, mix(darker(skin, 0.12), darker(skin, 0.4), smile))
