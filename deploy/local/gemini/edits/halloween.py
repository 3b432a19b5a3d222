"""The Halloween tool: make-up, a whole costume, or things around the person."""

import math
from itertools import pairwise

from PIL import Image, ImageChops

from deploy.local.drawing import face
from deploy.local.drawing.canvas import Colour, Frame, Pen, Point, blank_mask, darker, smooth, soften, wash
from deploy.local.gemini.edits.regions import skin_mask, tint

_INK: Colour = (22, 12, 30)


def halloween(image: Image.Image, style: str) -> None:
    if style == "add objects":
        _objects(image)
        return
    skin = skin_mask(image)
    if style == "whole figure":
        _night(image)
        _cape(image)
    _make_up(image, skin, (140, 178, 110) if style == "whole figure" else (224, 222, 228))
    if style == "whole figure":
        _hat(image)


def _make_up(image: Image.Image, skin: Image.Image, colour: Colour) -> None:
    tint(image, colour, skin, 0.88)
    for side, (u, v) in zip((-1, 1), face.EYES, strict=True):
        socket = blank_mask(image)
        pen = Pen(socket)
        pen.ellipse((u, v - 0.003), 0.070, 0.058, 255)
        pen.ellipse((u, v), 0.040, 0.019, 0)
        wash(image, _INK, soften(socket, 0.005), 0.86)
        face.draw_iris(Pen(image), (u, v), (255, 138, 20))
        drip = [
            (u - side * 0.02, v + 0.045),
            (u - side * 0.02, v + 0.10),
            (u - side * 0.016, v + 0.10),
            (u - side * 0.006, v + 0.05),
        ]
        Pen(image).polygon(drip, (150, 10, 22))
    pen = Pen(image)
    pen.polygon(smooth([(0.487, 0.545), (0.5, 0.515), (0.513, 0.545), (0.5, 0.552)], closed=True), _INK)
    u, v = face.MOUTH
    pen.stroke(
        smooth([(u - 0.135, v - 0.035), (u - 0.06, v), (u, v + 0.006), (u + 0.06, v), (u + 0.135, v - 0.035)]),
        0.007,
        _INK,
    )
    for stitch in range(-5, 6):
        x = u + stitch * 0.024
        y = v + 0.006 - 1.9 * (stitch * 0.024) ** 2
        pen.stroke([(x, y - 0.018), (x + 0.002, y + 0.018)], 0.005, _INK)
    for x in (u - 0.036, u + 0.036):
        pen.polygon([(x - 0.008, v + 0.004), (x + 0.008, v + 0.004), (x, v + 0.034)], (255, 255, 250))


def _night(image: Image.Image) -> None:
    wash(image, (44, 20, 78), Image.new("L", image.size, 150))
    bright = blank_mask(image)
    Pen(bright).ellipse((0.82, 0.10), 0.11, 0.11, 255)
    wash(image, (255, 238, 176), soften(bright, 0.004), 0.95)
    _bat(Pen(image), (0.16, 0.13), 0.085)
    _bat(Pen(image), (0.80, 0.12), 0.055)


def _cape(image: Image.Image) -> None:
    pen = Pen(image)
    low = pen.frame.bottom + 0.05
    for side in (-1, 1):
        edge = smooth([(0.5 + side * 0.10, 0.86), (0.5 + side * 0.20, 0.72), (0.5 + side * 0.315, 0.635)])
        outer = smooth([(0.5 + side * 0.315, 0.635), (0.5 + side * 0.36, 0.83), (0.5 + side * 0.47, 1.0)])
        pen.polygon([*edge, *outer, (0.5 + side * 0.52, low), (0.5 + side * 0.09, low)], _INK)
        lining = smooth([(0.5 + side * 0.105, 0.86), (0.5 + side * 0.20, 0.745), (0.5 + side * 0.292, 0.68)])
        pen.polygon([*lining, (0.5 + side * 0.27, 0.84), (0.5 + side * 0.13, 0.93)], (158, 16, 40))
    pen.ellipse((0.5, 0.885), 0.028, 0.024, (240, 180, 40))


def _hat(image: Image.Image) -> None:
    pen = Pen(image)
    cone = smooth(
        [(0.345, 0.275), (0.42, 0.12), (0.47, 0.01), (0.565, -0.075), (0.545, 0.0), (0.565, 0.12), (0.655, 0.275)]
    )
    pen.polygon(cone, (38, 22, 58))
    band = smooth([(0.352, 0.258), (0.5, 0.285), (0.648, 0.258)])
    pen.polygon(
        [*band, (0.632, 0.205), *reversed([(a, b - 0.05) for a, b in band[2:-2]]), (0.366, 0.205)], (120, 50, 160)
    )
    pen.polygon([(0.472, 0.225), (0.528, 0.225), (0.528, 0.276), (0.472, 0.276)], (245, 190, 50))
    pen.polygon([(0.485, 0.237), (0.515, 0.237), (0.515, 0.264), (0.485, 0.264)], (120, 50, 160))
    brim = smooth(
        [
            (0.19, 0.30),
            (0.34, 0.255),
            (0.5, 0.285),
            (0.66, 0.255),
            (0.81, 0.30),
            (0.66, 0.325),
            (0.5, 0.335),
            (0.34, 0.325),
        ],
        closed=True,
    )
    pen.polygon(brim, (30, 16, 46))


def _objects(image: Image.Image) -> None:
    frame = Frame(*image.size)
    dusk = ImageChops.invert(soften(_ellipse(image, (0.5, 0.52), 0.42, 0.52), 0.08))
    wash(image, (60, 24, 70), dusk, 0.55)
    pen = Pen(image)
    for centre, size in (((0.13, 0.14), 0.105), ((0.86, 0.10), 0.085), ((0.80, 0.27), 0.060), ((0.20, 0.30), 0.055)):
        _bat(pen, centre, size)
    _web(pen, (1 - frame.right, 1 - frame.bottom), 0.26)
    low = min(frame.bottom, 1.16)
    _pumpkin(pen, (0.15, low - 0.15), 0.125)
    _pumpkin(pen, (0.86, low - 0.13), 0.105)
    for u, tall in ((0.31, 0.10), (0.37, 0.07), (0.68, 0.09)):
        _candle(pen, (u, low - 0.035), tall)


def _ellipse(image: Image.Image, centre: Point, across: float, down: float) -> Image.Image:
    mask = blank_mask(image)
    Pen(mask).ellipse(centre, across, down, 255)
    return mask


def _bat(pen: Pen, centre: Point, size: float) -> None:
    u, v = centre
    wing = [
        (0.12, -0.12),
        (0.45, -0.42),
        (1.0, -0.30),
        (0.86, 0.0),
        (0.70, -0.06),
        (0.52, 0.14),
        (0.36, 0.02),
        (0.16, 0.26),
    ]
    for side in (-1, 1):
        pen.polygon([(u + side * x * size, v + y * size) for x, y in [(0.0, -0.1), *wing, (0.0, 0.3)]], _INK)
        pen.polygon([(u + side * x * size, v + y * size) for x, y in ((0.02, -0.2), (0.16, -0.46), (0.18, -0.1))], _INK)
        pen.ellipse((u + side * 0.07 * size, v - 0.08 * size), 0.035 * size, 0.035 * size, (255, 170, 30))
    pen.ellipse((u, v), 0.19 * size, 0.30 * size, _INK)
    for side in (-1, 1):
        pen.ellipse((u + side * 0.07 * size, v - 0.08 * size), 0.04 * size, 0.04 * size, (255, 170, 30))


def _pumpkin(pen: Pen, centre: Point, size: float) -> None:
    u, v = centre
    orange: Colour = (240, 120, 20)
    pen.polygon([(u - 0.1 * size, v - 0.7 * size), (u - 0.02 * size, v - 1.05 * size), (u + 0.2 * size, v - 1.1 * size),
                 (u + 0.12 * size, v - 0.7 * size)], (70, 110, 40))  # fmt: skip
    for offset, wide in ((-0.62, 0.45), (0.62, 0.45), (-0.32, 0.5), (0.32, 0.5), (0.0, 0.45)):
        tone = darker(orange, 0.05 + 0.28 * abs(offset))
        pen.ellipse((u + offset * size, v), wide * size, 0.8 * size, tone)
    glow: Colour = (255, 226, 90)
    for side in (-1, 1):
        x = u + side * 0.36 * size
        pen.polygon([(x - 0.2 * size, v - 0.08 * size), (x + 0.2 * size, v - 0.08 * size), (x, v - 0.40 * size)], glow)
    pen.polygon([(u - 0.07 * size, v + 0.08 * size), (u + 0.07 * size, v + 0.08 * size), (u, v - 0.08 * size)], glow)
    grin = [(-0.62, 0.18), (-0.4, 0.28), (-0.3, 0.2), (-0.2, 0.34), (0.0, 0.28), (0.2, 0.34), (0.3, 0.2), (0.4, 0.28),
            (0.62, 0.18), (0.4, 0.55), (0.22, 0.46), (0.12, 0.62), (-0.12, 0.62), (-0.22, 0.46),
            (-0.4, 0.55)]  # fmt: skip
    pen.polygon([(u + x * size, v + y * size) for x, y in grin], glow)


def _candle(pen: Pen, foot: Point, tall: float) -> None:
    u, v = foot
    pen.polygon([(u - 0.018, v - tall), (u + 0.018, v - tall), (u + 0.018, v), (u - 0.018, v)], (240, 230, 208))
    pen.stroke([(u, v - tall), (u, v - tall - 0.014)], 0.003, _INK)
    pen.ellipse((u, v - tall - 0.030), 0.030, 0.034, (255, 200, 80, 90))
    pen.ellipse((u, v - tall - 0.028), 0.010, 0.019, (255, 196, 60))
    pen.ellipse((u, v - tall - 0.023), 0.005, 0.010, (255, 246, 200))


def _web(pen: Pen, corner: Point, size: float) -> None:
    thread = (250, 250, 250, 205)
    angles = [step / 6 * math.pi / 2 for step in range(7)]
    for angle in angles:
        pen.stroke([corner, (corner[0] + size * math.cos(angle), corner[1] + size * math.sin(angle))], 0.003, thread)
    for ring in range(1, 6):
        radius = size * ring / 5.6
        knots = [(corner[0] + radius * math.cos(a), corner[1] + radius * math.sin(a)) for a in angles]
        for one, other in pairwise(knots):
            middle = ((one[0] + other[0]) / 2, (one[1] + other[1]) / 2)
            sag = (corner[0] + (middle[0] - corner[0]) * 0.9, corner[1] + (middle[1] - corner[1]) * 0.9)
            pen.stroke(smooth([one, sag, other], steps=5), 0.0025, thread)
