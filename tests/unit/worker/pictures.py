"""Small pictures with everything in them that a phone would add, made by Pillow."""

import io
import random

from PIL import Image
from PIL.PngImagePlugin import PngInfo

SECRETS = (b"Erika's phone", b"51.4778", b"a private comment", b"appended video")


def _noise(width: int, height: int) -> Image.Image:
    return Image.frombytes("RGB", (width, height), random.Random(7).randbytes(width * height * 3))


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0110] = "Erika's phone"
    exif[0x0112] = orientation
    exif.get_ifd(0x8825)[0x1D] = "51.4778"
    return exif


def jpeg(width: int = 64, height: int = 48, orientation: int = 6, *, progressive: bool = False) -> bytes:
    buffer = io.BytesIO()
    _noise(width, height).save(
        buffer,
        "JPEG",
        exif=_exif(orientation),
        comment=b"a private comment",
        icc_profile=b"a colour profile",
        progressive=progressive,
    )
    return buffer.getvalue() + b"\xff\xd8appended video\xff\xd9"


def png(width: int = 64, height: int = 48, orientation: int = 6) -> bytes:
    text = PngInfo()
    text.add_text("Comment", "a private comment")
    text.add_itxt("Place", "51.4778")
    text.add(b"prVt", b"Erika's phone")
    buffer = io.BytesIO()
    _noise(width, height).save(
        buffer, "PNG", exif=_exif(orientation), pnginfo=text, icc_profile=b"a colour profile", dpi=(72, 72)
    )
    return buffer.getvalue() + b"appended video"


def webp(width: int = 64, height: int = 48, orientation: int = 6, *, lossless: bool = False) -> bytes:
    buffer = io.BytesIO()
    _noise(width, height).save(
        buffer,
        "WEBP",
        exif=_exif(orientation),
        xmp=b"a private comment",
        icc_profile=b"a colour profile",
        lossless=lossless,
    )
    return buffer.getvalue() + b"appended video"


def animated(kind: str, frames: int = 3) -> bytes:
    buffer = io.BytesIO()
    first, *rest = [Image.new("RGB", (20, 10), (40 * number, 0, 0)) for number in range(frames)]
    first.save(buffer, kind, save_all=True, append_images=rest)
    return buffer.getvalue()
