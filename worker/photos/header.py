"""What a picture is, read from its header: kind, size in pixels, number of frames. Nothing is decoded.

Reading is bounded by the file's length and `_MAX_BLOCKS`, whatever the bytes say. On anything that is not a JPEG, PNG
or WebP with a plausible header it raises `InvalidPhotoError`, and never another exception.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["jpeg", "png", "webp"]

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_BLOCKS = 10_000
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_JPEG_SCAN = 0xDA
_JPEG_END = 0xD9
_VP8X_ANIMATED = 0x02


class InvalidPhotoError(Exception):
    """The bytes are not a picture of a kind that is taken; the reason is safe to log."""


@dataclass(frozen=True, slots=True)
class Header:
    kind: Kind
    width: int
    height: int
    frames: int

    @property
    def mime_type(self) -> str:
        return f"image/{self.kind}"

    @property
    def pixels(self) -> int:
        return self.width * self.height


def read_header(data: bytes) -> Header:
    """The header of a JPEG, PNG or WebP by its magic bytes; raises `InvalidPhotoError`."""
    if data.startswith(b"\xff\xd8\xff"):
        header = _jpeg(data)
    elif data.startswith(PNG_SIGNATURE):
        header = _png(data)
    elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        header = _webp(data)
    else:
        raise InvalidPhotoError("unknown_format")
    if header.width < 1 or header.height < 1 or header.frames < 1:
        raise InvalidPhotoError("no_pixels")
    return header


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Each marker before the picture data as (marker, start, end); the last is the first scan's, its header included.

    `start` is the marker's own position; `end` is where the next one begins. Raises `InvalidPhotoError`.
    """
    position = 2
    for _ in range(_MAX_BLOCKS):
        start = position
        if data[position : position + 1] != b"\xff":
            raise InvalidPhotoError("jpeg_marker_expected")
        while data[position : position + 1] == b"\xff":  # any number of fill bytes
            position += 1
        if position >= len(data):
            raise InvalidPhotoError("jpeg_truncated")
        marker = data[position]
        position += 1
        if marker in _JPEG_ALONE:
            yield marker, start, position
            continue
        if marker in {0x00, _JPEG_END}:
            raise InvalidPhotoError("jpeg_without_picture")
        length = int.from_bytes(data[position : position + 2], "big")
        position += length
        if length < 2 or position > len(data):
            raise InvalidPhotoError("jpeg_truncated")
        yield marker, start, position
        if marker == _JPEG_SCAN:
            return
    raise InvalidPhotoError("jpeg_too_many_segments")


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk as (type, start, end), length field and checksum included, up to IEND. Raises `InvalidPhotoError`."""
    position = len(PNG_SIGNATURE)
    for _ in range(_MAX_BLOCKS):
        if position + 12 > len(data):
            raise InvalidPhotoError("png_truncated")
        length = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        end = position + 12 + length
        if end > len(data):
            raise InvalidPhotoError("png_truncated")
        if (kind == b"IHDR") != (position == len(PNG_SIGNATURE)) or (kind == b"IHDR" and length != 13):
            raise InvalidPhotoError("png_without_header")
        yield kind, position, end
        if kind == b"IEND":
            return
        position = end
    raise InvalidPhotoError("png_too_many_chunks")


def webp_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk inside the RIFF as (type, start, end), padding included. Raises `InvalidPhotoError`."""
    limit = min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    position = 12
    for _ in range(_MAX_BLOCKS):
        if position + 8 > limit:
            return
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        end = position + 8 + length
        if end > limit or (length < 10 and data.startswith(b"VP8X", position)):
            raise InvalidPhotoError("webp_truncated")
        yield data[position : position + 4], position, min(end + length % 2, limit)
        position = end + length % 2
    raise InvalidPhotoError("webp_too_many_chunks")


def _jpeg(data: bytes) -> Header:
    for marker, start, end in jpeg_segments(data):
        if marker in _JPEG_FRAMES:
            body = data[start:end].lstrip(b"\xff")[3:]  # marker and length
            if len(body) < 6:
                raise InvalidPhotoError("jpeg_frame_truncated")
            height, width = struct.unpack_from(">HH", body, 1)
            return Header("jpeg", width, height, 1)
    raise InvalidPhotoError("jpeg_without_frame")


def _png(data: bytes) -> Header:
    width = height = 0
    frames = 1
    for kind, start, end in png_chunks(data):
        if kind == b"IHDR":
            width, height = struct.unpack_from(">II", data, start + 8)
        elif kind == b"acTL" and end - start >= 20:
            frames = int.from_bytes(data[start + 8 : start + 12], "big")
        elif kind == b"IDAT":
            return Header("png", width, height, frames)
    raise InvalidPhotoError("png_without_picture")


def _webp(data: bytes) -> Header:
    canvas: tuple[int, int] | None = None
    frames = 0
    animated = False
    for number, (kind, start, end) in enumerate(webp_chunks(data)):
        body = data[start + 8 : min(end, start + 8 + 16)]
        if number == 0 and kind == b"VP8X":
            animated = bool(body[0] & _VP8X_ANIMATED)
            canvas = 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
        elif kind == b"ANMF":
            frames += 1
        elif kind in {b"VP8 ", b"VP8L"} and not animated:
            size = _vp8(body) if kind == b"VP8 " else _vp8l(body)
            return Header("webp", *(canvas or size), 1)
    if canvas is None or not frames:
        raise InvalidPhotoError("webp_without_picture")
    return Header("webp", *canvas, frames)


def _vp8(body: bytes) -> tuple[int, int]:
    if len(body) < 10 or body[3:6] != b"\x9d\x01\x2a":
        raise InvalidPhotoError("webp_frame_invalid")
    width, height = struct.unpack_from("<HH", body, 6)
    return width & 0x3FFF, height & 0x3FFF


def _vp8l(body: bytes) -> tuple[int, int]:
    if len(body) < 5 or body[0] != 0x2F:
        raise InvalidPhotoError("webp_frame_invalid")
    bits = int.from_bytes(body[1:5], "little")
    return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
