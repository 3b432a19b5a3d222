"""Photos in and out: decoding what was sent, and encoding the answer in the same dimensions."""

import io
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageFilter, ImageOps

from deploy.local.portrait import portrait

_WORK_SIDE = 1200
"""Longest side, in pixels, of the copy that is painted on: it bounds the time whatever the photo's size."""
_PNG_AT_MOST_PIXELS = 4_000_000
"""Larger pictures come back as JPEG: compressing them as PNG takes seconds."""
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")


class UnreadablePhotoError(Exception):
    """The bytes are no picture that can be decoded here."""


@dataclass(frozen=True)
class Picture:
    """An encoded picture."""

    mime_type: str
    data: bytes


def open_photo(data: bytes) -> Image.Image:
    """The photo upright, as RGB. HEIC cannot be decoded here: a drawn portrait takes its place.

    Raises UnreadablePhotoError.
    """
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS:
        return portrait()
    try:
        with Image.open(io.BytesIO(data)) as image:
            kind = image.format
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadablePhotoError from error
    upright.format = kind
    return upright


def encode(image: Image.Image, kind: str | None) -> Picture:
    """PNG for a PNG of moderate size, JPEG for everything else."""
    out = io.BytesIO()
    if kind == "PNG" and image.width * image.height <= _PNG_AT_MOST_PIXELS:
        image.save(out, "PNG", compress_level=1)
        return Picture("image/png", out.getvalue())
    image.save(out, "JPEG", quality=90)
    return Picture("image/jpeg", out.getvalue())


def working_copy(photo: Image.Image) -> Image.Image:
    """The photo at the size that is painted on: small ones enlarged for smooth edges, large ones reduced."""
    scale = min(1.5, _WORK_SIDE / max(photo.size))
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    return photo.resize(size, Image.Resampling.BILINEAR, reducing_gap=1.5)


def take_over(photo: Image.Image, before: Image.Image, after: Image.Image) -> Image.Image:
    """The photo with only what changed between two working copies, so that the rest keeps its detail."""
    red, green, blue = ImageChops.difference(before, after).split()
    changed = ImageChops.lighter(ImageChops.lighter(red, green), blue).point(lambda value: 255 if value > 1 else 0)
    mask = changed.filter(ImageFilter.MaxFilter(3)).resize(photo.size, Image.Resampling.BILINEAR)
    result = photo.copy()
    result.paste(after.resize(photo.size, Image.Resampling.BICUBIC), mask=mask)
    return result
