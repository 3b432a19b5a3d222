"""A photo as it came from a user, made fit to be sent on: checked by its header, metadata removed, never decoded."""

from dataclasses import dataclass

from worker.failures import SOURCE_INVALID, SOURCE_TOO_LARGE, AttemptError
from worker.photos.header import Header, InvalidPhotoError, read_header
from worker.photos.metadata import remove_metadata

__all__ = ["Photo", "prepare_photo"]


@dataclass(frozen=True, slots=True)
class Photo:
    """A single still picture without metadata."""

    content: bytes
    header: Header


def prepare_photo(data: bytes, max_pixels: int) -> Photo:
    """Raises `source_invalid` for anything but one still JPEG, PNG or WebP, `source_too_large` for too many pixels."""
    try:
        header = read_header(data)
        if header.frames > 1:
            raise AttemptError(SOURCE_INVALID, "animated")
        if header.pixels > max_pixels:
            raise AttemptError(SOURCE_TOO_LARGE, f"{header.width}x{header.height}")
        return Photo(remove_metadata(data, header.kind), header)
    except InvalidPhotoError as error:
        raise AttemptError(SOURCE_INVALID, str(error)) from None
