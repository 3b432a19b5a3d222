"""The hairstyle tool: a style's name becomes traits, and the hair is drawn in place of what was there."""

import hashlib

from PIL import Image

from deploy.local.drawing import face
from deploy.local.drawing.canvas import Colour, Pen
from deploy.local.drawing.hair import Fringe, Hair, Length, Texture, hair_back, hair_front
from deploy.local.gemini.edits.ageing import remove_hair
from deploy.local.gemini.edits.regions import hair_colour

_LENGTHS: tuple[tuple[str, Length], ...] = (
    ("man bun", "short"), ("updo", "short"), ("bun", "short"), ("lob", "shoulder"), ("bob", "jaw"), ("bixie", "jaw"),
    ("pageboy", "jaw"), ("wedge", "jaw"), ("shoulder", "shoulder"), ("blunt", "shoulder"), ("curtain", "shoulder"),
    ("wolf", "shoulder"), ("shag ", "shoulder"), ("curly shag", "shoulder"), ("mullet", "shoulder"),
    ("crown", "shoulder"),
    ("pixie", "short"), ("afro", "short"), ("fringe", "short"), ("tight curls", "jaw"), ("curly bangs", "jaw"),
    ("layers", "long"), ("wav", "long"), ("sleek straight", "long"), ("curls", "long"), ("braid", "long"),
    ("twist", "long"), ("viking", "long"), ("long", "long"),
)  # fmt: skip
_TEXTURES: tuple[tuple[str, Texture], ...] = (
    ("braid", "braided"), ("twist", "braided"), ("curl", "curly"), ("afro", "curly"), ("coil", "curly"),
    ("wav", "wavy"), ("boho", "wavy"), ("shag", "wavy"), ("messy", "wavy"), ("viking", "wavy"), ("wolf", "wavy"),
)  # fmt: skip
_FRINGES: tuple[tuple[str, Fringe], ...] = (
    ("curtain", "curtain"), ("bangs", "bangs"), ("fringe", "bangs"), ("french", "bangs"), ("caesar", "bangs"),
    ("pageboy", "bangs"), ("micro", "bangs"), ("block", "bangs"), ("quiff", "up"), ("pompadour", "up"), ("updo", "up"),
    ("slick", "swept"), ("buzz", "swept"), ("crew", "swept"), ("bun", "swept"), ("crown", "swept"), ("braid", "swept"),
    ("twist", "swept"), ("fade", "up"), ("layers", "curtain"), ("butterfly", "curtain"), ("viking", "swept"),
)  # fmt: skip
_VOLUMES: tuple[tuple[str, float], ...] = (
    ("afro", 1.0), ("buzz", 0.0), ("crew", 0.05), ("fade", 0.06), ("sleek", 0.12), ("slick", 0.1), ("voluminous", 0.6),
    ("tight", 0.45), ("pompadour", 0.45), ("crop", 0.12), ("caesar", 0.1), ("hollywood", 0.45), ("pixie", 0.2),
)  # fmt: skip


def traits(name: str) -> Hair:
    """What a style of this name looks like. Names that share all words still differ a little in parting and volume."""
    words = f"{name.lower()} "
    digest = hashlib.sha256(words.encode()).digest()
    return Hair(
        length=next((length for word, length in _LENGTHS if word in words), "short"),
        texture=next((texture for word, texture in _TEXTURES if word in words), "straight"),
        fringe=next((fringe for word, fringe in _FRINGES if word in words), "side"),
        volume=next((volume for word, volume in _VOLUMES if word in words), 0.3) + digest[0] / 255 * 0.08,
        bun=" bun" in words or "updo" in words,
        lean=(digest[1] / 255 - 0.5) * 0.9,
    )


def hairstyle(image: Image.Image, name: str, colour: Colour | None) -> None:
    tone = colour or hair_colour(image)
    everywhere = Image.new("L", image.size, 255)
    remove_hair(image, everywhere)
    hair = traits(name)
    behind = image.copy()
    hair_back(Pen(behind), hair, tone)
    clear = Image.new("L", image.size, 255)
    pen = Pen(clear)
    pen.polygon(face.outline(), 0)
    pen.polygon(face.neck(), 0)
    pen.polygon([(0.36, 0.79), (0.64, 0.79), (0.69, 2.0), (0.31, 2.0)], 0)  # the chest
    image.paste(behind, mask=clear)
    hair_front(Pen(image), hair, tone)
