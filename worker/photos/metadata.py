"""Taking out of a photo what it says about its owner: place, time, device, comments, previews, appended files.

The picture itself is copied byte for byte, never decoded or encoded again. What is known to matter for its looks is
kept (colour profile, transparency, density, which way up it is); everything else goes, unknown parts included.
"""

import re
import zlib

from worker.photos.header import (
    PNG_SIGNATURE,
    Kind,
    jpeg_segments,
    png_chunks,
    webp_chunks,
)
from worker.photos.orientation import UPRIGHT, minimal_tiff, read_orientation

_EXIF = b"Exif\x00\x00"
_APP0, _APP1, _APP2, _APP14, _APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
_COMMENT = 0xFE
# In picture data 0xFF is followed by a zero, a restart marker or more 0xFF; anything else is the next marker.
_JPEG_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_PNG_KEPT = frozenset(
    b"IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI bKGD hIST pHYs sPLT acTL fcTL fdAT".split()
)
_WEBP_KEPT = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"ANIM", b"ANMF"})
_VP8X_EXIF, _VP8X_XMP = 0x08, 0x04


def remove_metadata(data: bytes, kind: Kind) -> bytes:
    """The same picture without its metadata. Raises `InvalidPhotoError` when the file's structure is broken."""
    match kind:
        case "jpeg":
            return _jpeg(data)
        case "png":
            return _png(data)
        case "webp":
            return _webp(data)


def _jpeg(data: bytes) -> bytes:
    kept = [data[:2]]
    orientation = UPRIGHT
    after_scan = len(data)
    for marker, start, end in jpeg_segments(data):
        segment = data[start:end].lstrip(b"\xff")
        content = segment[3:]
        if marker == _APP1 and content.startswith(_EXIF):
            if orientation == UPRIGHT:
                orientation = read_orientation(content[len(_EXIF) :])
        elif _jpeg_is_kept(marker, content):
            kept.append(data[start:end])
        after_scan = end
    if orientation != UPRIGHT:
        body = _EXIF + minimal_tiff(orientation)
        segment = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
        # JFIF asks for its segment to be the first; EXIF readers look at the ones that follow.
        kept.insert(2 if len(kept) > 1 and kept[1][1] == _APP0 else 1, segment)
    kept.extend(_jpeg_scans(data, after_scan))
    return b"".join(kept)


def _jpeg_is_kept(marker: int, content: bytes) -> bool:
    if marker == _APP0:
        return content.startswith(b"JFIF\x00")
    if marker == _APP2:
        return content.startswith(b"ICC_PROFILE\x00")
    if marker == _APP14:
        return content.startswith(b"Adobe")  # says how the colours are coded
    return marker != _COMMENT and not _APP0 <= marker <= _APP15


def _jpeg_scans(data: bytes, position: int) -> list[bytes]:
    """From the first scan's data to the end of the image; what is appended behind it stays out."""
    kept: list[bytes] = []
    copied = position
    while found := _JPEG_NEXT_MARKER.search(data, position):
        start = found.start()
        marker = data[start + 1]
        if marker == 0xD9:
            kept.append(data[copied : start + 2])
            return kept
        position = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
        if marker == _COMMENT or _APP0 <= marker <= _APP15:
            kept.append(data[copied:start])
            copied = position
    return [*kept, data[copied:], b"\xff\xd9"]  # cut short on its way here; viewers show what there is


def _png(data: bytes) -> bytes:
    kept = [PNG_SIGNATURE]
    orientation = UPRIGHT
    run = 0  # where the present run of chunks to keep began
    for kind, start, end in png_chunks(data):
        if kind == b"eXIf":
            orientation = read_orientation(data[start + 8 : end - 4])
        if kind not in _PNG_KEPT:
            kept.append(data[run:start] if run else b"")
            run = 0
        elif kind in {b"IHDR", b"IEND"}:
            kept.append(data[run or start : end])
            run = 0
        else:
            run = run or start
    if orientation != UPRIGHT:
        kept.insert(2, _png_chunk(b"eXIf", minimal_tiff(orientation)))  # behind IHDR, which must be the first
    return b"".join(kept)


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def _webp(data: bytes) -> bytes:
    kept: list[bytes] = []
    orientation = UPRIGHT
    extended: int | None = None
    for kind, start, end in webp_chunks(data):
        if kind == b"EXIF":
            orientation = read_orientation(data[start + 8 : end].removeprefix(_EXIF))
        elif kind in _WEBP_KEPT:
            if kind == b"VP8X":
                extended = len(kept)
            kept.append(data[start:end] + b"\x00" * ((end - start) % 2))
    if extended is not None:
        flags = kept[extended][8] & ~(_VP8X_EXIF | _VP8X_XMP)
        if orientation != UPRIGHT:
            flags |= _VP8X_EXIF
            kept.append(_webp_chunk(b"EXIF", minimal_tiff(orientation)))
        kept[extended] = kept[extended][:8] + bytes([flags]) + kept[extended][9:]
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def _webp_chunk(kind: bytes, content: bytes) -> bytes:
    return kind + len(content).to_bytes(4, "little") + content
