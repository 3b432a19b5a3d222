"""The tools that change a part of the face: beard, smile, weight."""

import random

from PIL import Image

from deploy.local.drawing import face
from deploy.local.drawing.canvas import Pen, blank_mask, darker, lighter, mix, smooth, soften, wash
from deploy.local.gemini.edits.regions import hair_colour, skin_colour


def beard(image: Image.Image, name: str) -> None:
    skin, hair = skin_colour(image), darker(hair_colour(image), 0.25)
    if name == "Clean Shaven":
        _shave(image)
        return
    area = blank_mask(image)
    pen = Pen(area)
    if name == "Goatee":
        pen.polygon(smooth([(0.452, 0.575), (0.5, 0.562), (0.548, 0.575), (0.562, 0.61), (0.548, 0.668), (0.5, 0.712),
                            (0.452, 0.668), (0.438, 0.61)], closed=True), 255)  # fmt: skip
    else:
        pen.polygon(face.outline(-0.003), 255)
        cheeks = smooth(
            [(0.28, 0.44), (0.345, 0.53), (0.42, 0.562), (0.5, 0.558), (0.58, 0.562), (0.655, 0.53), (0.72, 0.44)]
        )
        pen.polygon([*cheeks, (0.72, 0.1), (0.28, 0.1)], 0)
    u, v = face.MOUTH
    pen.polygon(
        smooth([(u - 0.066, v - 0.008), (u, v - 0.014), (u + 0.066, v - 0.008), (u, v + 0.034)], closed=True), 0
    )
    soft = soften(area, 0.004)
    wash(image, hair if name == "Goatee" else mix(hair, skin, 0.25), soft, 0.92 if name == "Goatee" else 0.42)
    _bristles(image, area, hair, 1500 if name == "Goatee" else 2600)


def _bristles(image: Image.Image, area: Image.Image, hair: tuple[int, int, int], count: int) -> None:
    rng = random.Random(3)  # noqa: S311 - looks, not secrets
    drawn = image.copy()
    pen = Pen(drawn)
    for _ in range(count):
        u, v = rng.uniform(0.31, 0.69), rng.uniform(0.45, 0.72)
        tone = darker(hair, 0.3) if rng.random() < 0.6 else lighter(hair, 0.18)
        pen.stroke([(u, v), (u + rng.uniform(-0.003, 0.003), v + 0.008)], 0.0018, (*tone, 190))
    image.paste(drawn, mask=area)


def _shave(image: Image.Image) -> None:
    jaw = blank_mask(image)
    pen = Pen(jaw)
    pen.polygon(face.outline(-0.004), 255)
    pen.polygon([(0.2, 0.1), (0.8, 0.1), (0.8, 0.545), (0.2, 0.545)], 0)
    pen.ellipse(face.MOUTH, 0.075, 0.036, 0)
    wash(image, lighter(skin_colour(image), 0.3), soften(jaw, 0.012), 0.75)
    pen = Pen(image)
    for u, v, size in ((0.40, 0.615, 0.020), (0.605, 0.60, 0.016), (0.545, 0.665, 0.013)):
        for across, down in ((size, size / 6), (size / 6, size)):
            pen.ellipse((u, v), across, down, (255, 255, 255, 235))


def smile(image: Image.Image, intensity: int) -> None:
    skin = skin_colour(image)
    cover = blank_mask(image)
    Pen(cover).ellipse((face.MOUTH[0], face.MOUTH[1] + 0.005), 0.092, 0.042, 255)
    wash(image, skin, soften(cover, 0.006))
    amount = intensity / 100
    pen = Pen(image)
    for side in (-1, 1):
        fold = smooth(
            [(0.5 + side * 0.045, 0.535), (0.5 + side * (0.085 + 0.018 * amount), 0.57), (0.5 + side * 0.098, 0.615)]
        )
        pen.stroke(fold, 0.004, (*darker(skin, 0.35), round(40 + 190 * amount)))
        blush = blank_mask(image)
        Pen(blush).ellipse((0.5 + side * 0.11, 0.545 - 0.01 * amount), 0.042, 0.030, 255)
        wash(image, mix(skin, (230, 80, 90), 0.6), soften(blush, 0.014), 0.6 * amount)
        laugh = smooth([(0.5 + side * 0.040, 0.484), (0.5 + side * 0.075, 0.494), (0.5 + side * 0.115, 0.480)])
        pen.stroke(laugh, 0.0035, (*darker(skin, 0.4), round(200 * amount)))
    face.draw_mouth(pen, skin, mix(skin, (190, 45, 60), 0.65), amount)


def fat(image: Image.Image, intensity: int) -> None:
    """Widen the face and the neck by up to a third, and add the folds that come with it."""
    amount = intensity / 100
    image.paste(_bulge(image, amount))
    skin = skin_colour(image)
    pen = Pen(image)
    shade = (*darker(skin, 0.35), round(60 + 180 * amount))
    wide = 0.07 + 0.075 * amount
    low = face.CHIN + 0.012 + 0.035 * amount
    pad = blank_mask(image)
    Pen(pad).ellipse((0.5, low - 0.066), wide + 0.045, 0.068, 255)
    Pen(pad).polygon([(0.2, 0.2), (0.8, 0.2), (0.8, 0.655), (0.2, 0.655)], 0)
    wash(image, skin, soften(pad, 0.008), 0.3 + 0.6 * amount)
    pen.stroke(smooth([(0.5 - wide, low - 0.028), (0.5, low), (0.5 + wide, low - 0.028)]), 0.005, shade)
    for side in (-1, 1):
        u = 0.5 + side * (0.155 + 0.06 * amount)
        pen.stroke(
            smooth([(u - side * 0.05, 0.545), (u - side * 0.018, 0.575), (u - side * 0.022, 0.615)]), 0.004, shade
        )
        cheek = blank_mask(image)
        Pen(cheek).ellipse((0.5 + side * (0.12 + 0.04 * amount), 0.55), 0.045, 0.035, 255)
        wash(image, lighter(mix(skin, (240, 120, 110), 0.4), 0.1), soften(cheek, 0.018), 0.7 * amount)


def _bulge(image: Image.Image, amount: float) -> Image.Image:
    """The picture with columns near the middle of the face stretched sideways, most at the height of the cheeks."""
    across, down = 24, 24
    width, height = image.size
    frame = Pen(image).frame

    def source(x: float, y: float) -> tuple[float, float]:
        u = (x - width / 2) / frame.unit
        v = (y - frame.at((0, 0.57))[1]) / frame.unit
        reach = max(0.0, 1 - (u / 0.42) ** 2) * max(0.0, 1 - (v / 0.36) ** 2)
        return x - u * frame.unit * 0.36 * amount * reach, y

    mesh = []
    for column in range(across):
        for row in range(down):
            left, right = width * column // across, width * (column + 1) // across
            top, bottom = height * row // down, height * (row + 1) // down
            corners = (source(left, top), source(left, bottom), source(right, bottom), source(right, top))
            mesh.append(((left, top, right, bottom), tuple(value for corner in corners for value in corner)))
    return image.transform(image.size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)
