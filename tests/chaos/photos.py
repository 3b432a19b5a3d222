"""Portraits of which no two are equal, so that a call to Gemini tells by its photo what it was for."""

from functools import cache

from PIL import Image

from deploy.local.portrait import jpeg, portrait

_BLOCK = 8
_BITS = 16


@cache
def _face() -> Image.Image:
    return portrait(_BLOCK * _BITS, 128)


def photo(number: int) -> bytes:
    """A small JPEG with the number drawn along its upper edge, most significant bit last; up to 65,535."""
    image = _face().copy()
    for bit in range(_BITS):
        image.paste((255, 255, 255) if number >> bit & 1 else (0, 0, 0), (bit * _BLOCK, 0, (bit + 1) * _BLOCK, _BLOCK))
    return jpeg(image)
