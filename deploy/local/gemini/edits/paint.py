"""One edit from end to end: decode, paint, say in a caption what was painted, encode."""

import hashlib

from PIL import Image, ImageDraw, ImageFont

from deploy.local.drawing.canvas import Colour, lighter
from deploy.local.gemini.edits import ageing, features, haircut, tints
from deploy.local.gemini.edits.halloween import halloween
from deploy.local.gemini.edits.photo import Picture, encode, open_photo, take_over, working_copy
from deploy.local.gemini.edits.recognise import Edit, recognise
from deploy.local.gemini.edits.regions import tint


def edit_picture(data: bytes, prompt: str) -> Picture:
    """The photo with what `prompt` asks for painted on it, in the dimensions in which a viewer sees the photo.

    The same photo and prompt give the same bytes. Blocking: run it in a thread. Raises UnreadablePhotoError.
    """
    photo = open_photo(data)
    edit = recognise(prompt)
    before = working_copy(photo)
    after = before.copy()
    _paint(after, edit)
    _caption(after, edit)
    return encode(take_over(photo, before, after), photo.format)


def _paint(image: Image.Image, edit: Edit) -> None:
    match edit.tool:
        case "hairstyle":
            haircut.hairstyle(image, edit.name, edit.colour)
        case "hair-color" | "eye-color" | "skin-color":
            tints.recolour(image, edit.tool, edit.colour or (0, 0, 0))
        case "beard":
            features.beard(image, edit.name)
        case "smile":
            features.smile(image, edit.number)
        case "fat":
            features.fat(image, edit.number)
        case "age":
            ageing.age(image, edit.number)
        case "bald":
            ageing.bald(image, edit.number)
        case "halloween":
            halloween(image, edit.name)
        case _:
            red, green, blue = hashlib.sha256(edit.name.encode()).digest()[:3]
            tint(image, (red, green, blue), Image.new("L", image.size, 255), 0.7)


def _caption(image: Image.Image, edit: Edit) -> None:
    """A dark band at the bottom with the tool, its value and, where there is one, the colour."""
    width, height = image.size
    band = max(12, round(min(width, height) * 0.055))
    top = height - band
    image.paste(
        Image.blend(image.crop((0, top, width, height)), Image.new("RGB", (width, band), (16, 18, 26)), 0.78), (0, top)
    )
    draw = ImageDraw.Draw(image)
    left = band * 0.5
    if edit.colour is not None:
        box = (left, top + band * 0.25, left + band * 0.5, top + band * 0.75)
        draw.ellipse(box, fill=edit.colour, outline=lighter(edit.colour, 0.6), width=max(1, band // 24))
        left += band * 0.8
    text = f"{edit.tool}  {edit.value}".strip()
    ink: Colour = (245, 245, 248)
    draw.text((left, top + band / 2), text, fill=ink, font=ImageFont.load_default(band * 0.5), anchor="lm")
