"""The one thing kept of a photo's EXIF: which way up it is.

`read_orientation` takes TIFF bytes as they stand in a JPEG, PNG or WebP; rubbish counts as upright, it never raises.
"""

import struct

UPRIGHT = 1
_TAG = 0x0112
_SHORT = 3


def read_orientation(tiff: bytes) -> int:
    """The orientation 1–8 in the first directory, 1 when there is none that can be read."""
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 8:
        return UPRIGHT
    (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
    if directory + 2 > len(tiff):
        return UPRIGHT
    (entries,) = struct.unpack_from(f"{order}H", tiff, directory)
    for entry in range(directory + 2, directory + 2 + 12 * entries, 12):
        if entry + 12 > len(tiff):
            break
        tag, kind, count, value = struct.unpack_from(f"{order}HHIH", tiff, entry)
        if tag == _TAG:
            return value if kind == _SHORT and count == 1 and 1 <= value <= 8 else UPRIGHT
    return UPRIGHT


def minimal_tiff(orientation: int) -> bytes:
    """TIFF bytes that hold the orientation and nothing else."""
    return struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, _TAG, _SHORT, 1, orientation, 0, 0)
