"""Drawing in unit coordinates on a Pillow picture of any size and shape.

The unit square is the largest square centred in the picture, from (0, 0) at its top left to (1, 1) at its bottom
right corner. Coordinates outside it are fine; they are the margins of a picture that is not square.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]
Point = tuple[float, float]
Fill = int | tuple[int, int, int] | tuple[int, int, int, int]


@dataclass(frozen=True)
class Frame:
    """The size of a picture, and where unit coordinates fall on it."""

    width: int
    height: int

    @property
    def unit(self) -> int:
        """Pixels in a length of 1."""
        return min(self.width, self.height)

    @property
    def bottom(self) -> float:
        """The lower edge of the picture, in units."""
        return 0.5 + self.height / self.unit / 2

    @property
    def right(self) -> float:
        """The right edge of the picture, in units."""
        return 0.5 + self.width / self.unit / 2

    def at(self, point: Point) -> Point:
        """The pixel position of a point given in units."""
        return (
            (self.width - self.unit) / 2 + point[0] * self.unit,
            (self.height - self.unit) / 2 + point[1] * self.unit,
        )


class Pen:
    """Draws on `image` in unit coordinates. On RGB pictures a fill of four values blends."""

    def __init__(self, image: Image.Image) -> None:
        self.image = image
        self.frame = Frame(*image.size)
        self._draw = ImageDraw.Draw(image, "RGBA" if image.mode == "RGB" else None)

    def polygon(self, points: Sequence[Point], fill: Fill) -> None:
        self._draw.polygon([self.frame.at(point) for point in points], fill=fill)

    def ellipse(self, centre: Point, across: float, down: float, fill: Fill) -> None:
        """A filled ellipse with the half axes `across` and `down`."""
        x, y = self.frame.at(centre)
        rx, ry = across * self.frame.unit, down * self.frame.unit
        self._draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=fill)

    def stroke(self, points: Sequence[Point], width: float, fill: Fill) -> None:
        """A line through `points`; opaque ones get round ends."""
        pixels = [self.frame.at(point) for point in points]
        thick = max(1, round(width * self.frame.unit))
        self._draw.line(pixels, fill=fill, width=thick, joint="curve")
        if isinstance(fill, int) or len(fill) == 3:
            for x, y in (pixels[0], pixels[-1]):
                self._draw.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=fill)


def smooth(points: Sequence[Point], *, closed: bool = False, steps: int = 12) -> list[Point]:
    """A Catmull-Rom spline through `points`, as a polyline."""
    count = len(points)
    line: list[Point] = []
    for i in range(count if closed else count - 1):
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = (
            points[at % count if closed else min(max(at, 0), count - 1)] for at in range(i - 1, i + 3)
        )
        for step in range(steps):
            t = step / steps
            line.append((_spline(ax, bx, cx, dx, t), _spline(ay, by, cy, dy, t)))
    if not closed:
        line.append(points[-1])
    return line


def _spline(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`one` with `share` (0–1) of `other` in it."""
    first, second, third = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return first, second, third


def darker(colour: Colour, share: float = 0.2) -> Colour:
    return mix(colour, (0, 0, 0), share)


def lighter(colour: Colour, share: float = 0.2) -> Colour:
    return mix(colour, (255, 255, 255), share)


def from_hex(text: str) -> Colour:
    """The colour `#rrggbb`, with or without the `#`."""
    value = int(text.removeprefix("#"), 16)
    return value >> 16 & 255, value >> 8 & 255, value & 255


def blank_mask(image: Image.Image) -> Image.Image:
    """An empty mask of the picture's size, to be drawn on with a Pen of its own."""
    return Image.new("L", image.size, 0)


def soften(mask: Image.Image, radius: float) -> Image.Image:
    """`mask` blurred by `radius` units."""
    return mask.filter(ImageFilter.GaussianBlur(radius * Frame(*mask.size).unit))


def wash(image: Image.Image, colour: Colour, mask: Image.Image, opacity: float = 1.0) -> None:
    """Paint `colour` over the picture where the mask is, in place."""
    image.paste(colour, mask=mask.point(lambda value: round(value * opacity)))
