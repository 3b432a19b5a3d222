"""A photo is known by its header, and loses what it says about its owner but nothing of its looks."""

import io
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.unit.worker import pictures
from worker.failures import SOURCE_INVALID, SOURCE_TOO_LARGE, AttemptError, Failure
from worker.photos import prepare_photo
from worker.photos.header import InvalidPhotoError, read_header
from worker.photos.metadata import remove_metadata
from worker.photos.orientation import minimal_tiff, read_orientation

Make = Callable[..., bytes]
KINDS: dict[str, Make] = {
    "baseline jpeg": pictures.jpeg,
    "progressive jpeg": partial(pictures.jpeg, progressive=True),
    "png": pictures.png,
    "lossy webp": pictures.webp,
    "lossless webp": partial(pictures.webp, lossless=True),
}
every_kind = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS.keys())
SAMPLES = [make() for make in KINDS.values()] + [pictures.animated("WEBP"), pictures.animated("PNG")]


@every_kind
def test_a_header_tells_kind_and_size(make: Make) -> None:
    data = make(width=123, height=45)
    with Image.open(io.BytesIO(data)) as image:
        kind = str(image.format).lower()
    header = read_header(data)
    assert (header.kind, header.width, header.height, header.frames) == (kind, 123, 45, 1)


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_frames_of_an_animation_are_counted(kind: str) -> None:
    assert read_header(pictures.animated(kind, frames=4)).frames == 4


@every_kind
def test_metadata_goes_and_every_pixel_stays(make: Make) -> None:
    data = make()
    cleaned = remove_metadata(data, read_header(data).kind)
    with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(cleaned)) as after:
        assert after.tobytes() == before.tobytes()
        assert after.info.get("icc_profile") == before.info["icc_profile"]
        assert dict(after.getexif()) == {0x0112: 6}
        assert "xmp" not in after.info
        assert "comment" not in after.info
    for secret in pictures.SECRETS:
        assert secret not in cleaned


@every_kind
def test_an_upright_photo_keeps_no_exif_at_all(make: Make) -> None:
    data = make(orientation=1)
    cleaned = remove_metadata(data, read_header(data).kind)
    with Image.open(io.BytesIO(cleaned)) as after:
        assert not after.getexif()


@every_kind
def test_removing_metadata_twice_changes_nothing_more(make: Make) -> None:
    data = make()
    kind = read_header(data).kind
    once = remove_metadata(data, kind)
    assert remove_metadata(once, kind) == once
    assert read_header(once) == read_header(data)


def test_a_jpeg_without_its_end_is_still_a_picture() -> None:
    data = pictures.jpeg()
    short = data[: data.index(b"\xff\xd8appended") - 20]
    assert remove_metadata(short, "jpeg").endswith(b"\xff\xd9")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_minimal_exif_holds_the_orientation(orientation: int) -> None:
    assert read_orientation(minimal_tiff(orientation)) == orientation


@pytest.mark.parametrize(
    "rubbish",
    [b"", b"GIF89a" + bytes(40), b"%PDF-1.7", b"<html>", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP"],
)
def test_what_is_no_photo_is_refused(rubbish: bytes) -> None:
    with pytest.raises(InvalidPhotoError):
        read_header(rubbish)


def _mangled(sample: bytes, cut: int, edits: list[tuple[int, int]]) -> bytes:
    data = bytearray(sample)
    for position, value in edits:
        data[position % len(data)] = value
    return bytes(data[: cut % (len(data) + 1)])


edits = st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=8)


@given(st.sampled_from(SAMPLES), st.integers(0), edits)
def test_a_mangled_photo_is_read_or_refused_and_nothing_else(
    sample: bytes, cut: int, edits: list[tuple[int, int]]
) -> None:
    data = _mangled(sample, cut, edits)
    with suppress(InvalidPhotoError):
        header = read_header(data)
        assert header.pixels > 0
        remove_metadata(data, header.kind)


@given(st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\xff\0\0\0WEBP", b""]), st.binary(max_size=400))
def test_rubbish_is_read_or_refused_and_nothing_else(magic: bytes, rest: bytes) -> None:
    data = magic + rest
    with suppress(InvalidPhotoError):
        remove_metadata(data, read_header(data).kind)


@given(st.sampled_from([b"II*\0", b"MM\0*", b""]), st.binary(max_size=80))
def test_any_exif_gives_an_orientation(magic: bytes, rest: bytes) -> None:
    assert 1 <= read_orientation(magic + rest) <= 8


def test_a_prepared_photo_is_clean() -> None:
    photo = prepare_photo(pictures.jpeg(), max_pixels=10_000)
    assert photo.header.mime_type == "image/jpeg"
    assert pictures.SECRETS[0] not in photo.content


@pytest.mark.parametrize(
    ("data", "failure"),
    [
        (b"not a photo", SOURCE_INVALID),
        (pictures.animated("WEBP"), SOURCE_INVALID),
        (pictures.jpeg(width=200, height=200), SOURCE_TOO_LARGE),
    ],
)
def test_a_photo_that_is_not_taken_says_why(data: bytes, failure: Failure) -> None:
    with pytest.raises(AttemptError) as refused:
        prepare_photo(data, max_pixels=10_000)
    assert refused.value.failure is failure
