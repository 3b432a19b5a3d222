"""Which pixels are hair, skin or background, told by colour: the portrait is centred, so a sample of each is known."""

from PIL import Image, ImageChops, ImageOps, ImageStat

from deploy.local.drawing import face
from deploy.local.drawing.canvas import Colour, Pen, Point, blank_mask, darker, lighter, soften

_HAIR_POINTS: tuple[Point, ...] = ((0.5, 0.235), (0.44, 0.25), (0.56, 0.25))
_FOREHEAD_POINTS: tuple[Point, ...] = ((0.47, 0.42), (0.5, 0.42), (0.53, 0.42))
_SKIN_POINTS: tuple[Point, ...] = ((0.40, 0.53), (0.60, 0.53), (0.5, 0.42), (0.5, 0.66))


def sample(image: Image.Image, points: tuple[Point, ...], radius: float = 0.012) -> Colour:
    """The mean colour around the points."""
    mask = blank_mask(image)
    pen = Pen(mask)
    for point in points:
        pen.ellipse(point, radius, radius, 255)
    red, green, blue = ImageStat.Stat(image, mask).mean
    return round(red), round(green), round(blue)


def skin_colour(image: Image.Image) -> Colour:
    return sample(image, _SKIN_POINTS)


def scalp_colour(image: Image.Image) -> Colour:
    return sample(image, _FOREHEAD_POINTS, 0.006)


def hair_colour(image: Image.Image) -> Colour:
    return sample(image, _HAIR_POINTS)


def like(image: Image.Image, colour: Colour, tolerance: int) -> Image.Image:
    """A mask of the pixels whose colour is near."""
    small = image.reduce(2)
    red, green, blue = ImageChops.difference(small, Image.new("RGB", small.size, colour)).split()
    distance = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    near = distance.point(lambda value: max(0, min(255, (tolerance - value) * 16)))
    return near.resize(image.size, Image.Resampling.BILINEAR)


def hair_mask(image: Image.Image) -> Image.Image:
    """Hair: what looks like the crown, on and around the head, or the crown's outline where that finds little."""
    around = blank_mask(image)
    pen = Pen(around)
    pen.ellipse((0.5, 0.42), 0.33, 0.36, 255)
    pen.polygon([(0.2, 0.45), (0.8, 0.45), (0.8, 1.03), (0.2, 1.03)], 255)
    pen.polygon([point for point in face.outline(-0.02) if point[1] > 0.38], 0)
    pen.polygon(face.neck(), 0)
    colour = hair_colour(image)
    found = ImageChops.lighter(like(image, colour, 46), like(image, darker(colour, 0.3), 26))
    found = ImageChops.lighter(found, like(image, lighter(colour, 0.2), 22))
    mask = soften(ImageChops.multiply(found, around), 0.0015)
    cap = cap_mask(image)
    share = ImageStat.Stat(mask, cap).mean[0] / 255
    return ImageChops.lighter(mask, soften(cap, 0.006)) if share < 0.5 else mask


def cap_mask(image: Image.Image) -> Image.Image:
    """Where short hair would be: the crown down to the forehead."""
    mask = blank_mask(image)
    pen = Pen(mask)
    pen.polygon(face.outline(0.022), 255)
    pen.ellipse((0.5, 0.55), 0.168, 0.245, 0)
    pen.polygon([(0.2, 0.47), (0.8, 0.47), (0.8, 1.0), (0.2, 1.0)], 0)
    return mask


def skin_mask(image: Image.Image) -> Image.Image:
    """Skin of face, ears and neck, without eyes, brows and lips."""
    colour = skin_colour(image)
    around = blank_mask(image)
    pen = Pen(around)
    pen.polygon(face.outline(0.012), 255)
    for u in (0.319, 0.681):
        pen.ellipse((u, 0.475), 0.027, 0.048, 255)
    pen.polygon([(0.38, 0.6), (0.62, 0.6), (0.62, 0.92), (0.38, 0.92)], 255)
    for eye in face.EYES:
        pen.ellipse(eye, 0.042, 0.021, 0)
    found = like(image, colour, 62)
    for shade in (darker(colour, 0.25), darker(colour, 0.42), lighter(colour, 0.3)):
        found = ImageChops.lighter(found, like(image, shade, 40))
    mask = soften(ImageChops.multiply(found, around), 0.002)
    share = ImageStat.Stat(mask, around).mean[0] / 255
    return mask if share > 0.4 else soften(around, 0.01)


def tint(image: Image.Image, colour: Colour, mask: Image.Image, strength: float = 1.0) -> None:
    """Give what the mask covers another colour, in place, keeping light and shade."""
    grey = image.convert("L")
    middle = round(ImageStat.Stat(grey, mask).mean[0]) if mask.getbbox() else 128
    middle = max(30, min(225, middle))
    toned = ImageOps.colorize(grey, darker(colour, 0.7), lighter(colour, 0.5), mid=colour, midpoint=middle)
    image.paste(toned, mask=mask.point(lambda value: round(value * strength)))


def backdrop(image: Image.Image) -> Image.Image:
    """What may be behind the person: the picture's left and right edges, stretched across it."""
    strip = max(1, image.width // 50)
    left = image.crop((0, 0, strip, image.height)).resize(image.size, Image.Resampling.BOX)
    right = image.crop((image.width - strip, 0, image.width, image.height)).resize(image.size, Image.Resampling.BOX)
    return Image.composite(left, right, Image.linear_gradient("L").rotate(-90).resize(image.size))
