"""The tools that show years: age, baldness."""

import random

from PIL import Image, ImageChops

from deploy.local.drawing import face
from deploy.local.drawing.canvas import Colour, Pen, blank_mask, darker, lighter, mix, smooth, soften, wash
from deploy.local.gemini.edits.regions import backdrop, hair_mask, scalp_colour, skin_colour, skin_mask, tint


def age(image: Image.Image, years: int) -> None:
    """Freckles and round cheeks for the young; lines, spots and grey hair for the old."""
    skin = skin_colour(image)
    if years < 30:
        _young(image, skin, (30 - years) / 20)
        return
    old = (years - 30) / 60
    grey = mix((150, 148, 150), (243, 243, 246), old)
    hair = hair_mask(image)
    tint(image, grey, hair, min(1.0, 0.12 + 1.05 * old))
    pen = Pen(image)
    for side, (u, v) in zip((-1, 1), face.EYES, strict=True):  # the brows go grey with the hair
        brow = smooth([(u - side * 0.046, v - 0.053), (u + side * 0.014, v - 0.066), (u + side * 0.058, v - 0.046)])
        pen.stroke(brow, 0.013, (*grey, round(230 * min(1.0, 0.12 + old))))
    wash(image, darker(mix(skin, (190, 170, 150), 0.5), 0.08), skin_mask(image), 0.10 + 0.22 * old)
    lined = image.copy()
    _lines(Pen(lined), darker(skin, 0.45), old)
    image.paste(lined, mask=ImageChops.invert(hair))


def _lines(pen: Pen, shade: Colour, old: float) -> None:
    tone = (*shade, round(70 + 170 * old))
    for row in range(1 + round(4 * old)):
        v = 0.382 - row * 0.017
        pen.stroke(smooth([(0.41, v), (0.455, v - 0.007), (0.5, v), (0.545, v - 0.007), (0.59, v)]), 0.0035, tone)
    for side, (u, v) in zip((-1, 1), face.EYES, strict=True):
        for ray in range(1 + round(4 * old)):
            end = (u + side * 0.083, v - 0.024 + ray * 0.014)
            pen.stroke([(u + side * 0.056, v - 0.008 + ray * 0.006), end], 0.003, tone)
        for bag in range(1 + round(2 * old)):
            low = v + 0.027 + bag * 0.011
            pen.stroke(smooth([(u - side * 0.03, low), (u, low + 0.010), (u + side * 0.035, low)]), 0.003, tone)
        reach = 0.05 + 0.05 * old
        pen.stroke(
            smooth([(0.5 + side * 0.043, 0.535), (0.5 + side * 0.078, 0.565), (0.5 + side * 0.088, 0.565 + reach)]),
            0.0045,
            tone,
        )
        for wrinkle in range(round(3 * old)):
            x = 0.5 + side * (0.115 + 0.014 * wrinkle)
            pen.stroke(smooth([(x, 0.555), (x + side * 0.004, 0.60), (x - side * 0.012, 0.64)]), 0.003, tone)
    rng = random.Random(11)  # noqa: S311 - looks, not secrets
    for _ in range(round(14 * old)):
        spot = (rng.uniform(0.37, 0.63), rng.choice((rng.uniform(0.31, 0.37), rng.uniform(0.53, 0.64))))
        pen.ellipse(spot, 0.0045, 0.0035, (*shade, 90))


def _young(image: Image.Image, skin: Colour, youth: float) -> None:
    wash(image, lighter(skin, 0.18), skin_mask(image), 0.25 + 0.2 * youth)
    for u in (0.385, 0.615):
        blush = blank_mask(image)
        Pen(blush).ellipse((u, 0.545), 0.048, 0.038, 255)
        wash(image, mix(skin, (235, 70, 85), 0.7), soften(blush, 0.016), 0.35 + 0.45 * youth)
    pen = Pen(image)
    rng = random.Random(5)  # noqa: S311 - looks, not secrets
    for _ in range(round(8 + 34 * youth)):
        side = rng.choice((-1, 1))
        pen.ellipse(
            (0.5 + side * rng.uniform(0.015, 0.125), rng.uniform(0.505, 0.555)),
            0.0036,
            0.0036,
            (*darker(skin, 0.38), 200),
        )
    for eye in face.EYES:
        pen.ellipse((eye[0] + 0.006, eye[1] - 0.007), 0.007 + 0.003 * youth, 0.007 + 0.003 * youth, (255, 255, 255))


def bald(image: Image.Image, intensity: int) -> None:
    """Take hair away from the forehead upwards, then from the crown downwards; all of it at 100 per cent."""
    amount = intensity / 100
    bare, scalp = blank_mask(image), blank_mask(image)
    reach = 0.04 + 0.24 * amount
    Pen(bare).ellipse((0.5, 0.335), reach * 0.8, reach, 255)
    Pen(scalp).polygon(face.outline(), 255)
    gone = ImageChops.multiply(bare, scalp)
    if amount > 0.5:
        low = 0.2 + 0.9 * (2 * amount - 1) ** 2
        Pen(gone).polygon([(-1, -1), (2, -1), (2, low), (-1, low)], 255)
    remove_hair(image, soften(gone, 0.003))
    if amount > 0.15:
        shine = blank_mask(image)
        Pen(shine).ellipse((0.455, 0.285), 0.05 * amount + 0.01, 0.028 * amount + 0.006, 255)
        wash(image, lighter(skin_colour(image), 0.75), soften(shine, 0.010), 0.8)


def remove_hair(image: Image.Image, where: Image.Image) -> None:
    """Show scalp and background instead of the hair in the mask `where`."""
    skin = scalp_colour(image)
    hair = ImageChops.lighter(hair_mask(image), _upper_head(image))
    hair = ImageChops.multiply(soften(hair, 0.002).point(lambda value: min(255, value * 4)), where)
    image.paste(backdrop(image), mask=hair)
    scalp = blank_mask(image)
    Pen(scalp).polygon(face.outline(), 255)
    neck = blank_mask(image)
    Pen(neck).polygon(face.neck(), 255)
    wash(image, darker(skin, 0.1), ImageChops.multiply(hair, neck))
    wash(image, skin, ImageChops.multiply(hair, soften(scalp, 0.0015)))
    shade = blank_mask(image)
    Pen(shade).polygon(face.outline(), 255)
    lit = blank_mask(image)
    Pen(lit).ellipse((0.48, 0.45), 0.165, 0.225, 255)
    shade.paste(0, mask=soften(lit, 0.03))
    wash(image, darker(skin, 0.4), ImageChops.multiply(hair, shade), 0.35)


def _upper_head(image: Image.Image) -> Image.Image:
    """The upper head, where shine and strands of another tone belong to the hair."""
    mask = blank_mask(image)
    pen = Pen(mask)
    pen.polygon(face.outline(0.002), 255)
    pen.polygon([(0.2, 0.335), (0.8, 0.335), (0.8, 1.0), (0.2, 1.0)], 0)
    return mask
