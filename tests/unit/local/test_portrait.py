"""The sample portrait: any size, the same for the same seed, in the file formats that the tests need."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from deploy.local.portrait import jpeg, png, portrait


@pytest.mark.parametrize("size", [(300, 400), (400, 300), (256, 256), (33, 57)])
def test_a_portrait_has_the_size_asked_for(size: tuple[int, int]) -> None:
    picture = portrait(*size)
    assert (picture.size, picture.mode) == (size, "RGB")


def test_the_same_seed_draws_the_same_person() -> None:
    assert portrait(90, 120, seed=5).tobytes() == portrait(90, 120, seed=5).tobytes()


def test_seeds_draw_different_people() -> None:
    assert len({portrait(90, 120, seed=seed).tobytes() for seed in range(6)}) == 6


def test_the_face_is_in_the_middle() -> None:
    picture = portrait(300, 400)
    cheek, corner = picture.getpixel((125, 215)), picture.getpixel((5, 5))
    assert isinstance(cheek, tuple)
    assert isinstance(corner, tuple)
    assert cheek[0] > cheek[1] > cheek[2]
    assert sum(abs(a - b) for a, b in zip(cheek, corner, strict=True)) > 60


def test_a_jpeg_carries_a_place_and_an_orientation_when_told() -> None:
    data = jpeg(portrait(60, 80), gps=True, orientation=6)
    exif = Image.open(io.BytesIO(data)).getexif()
    assert exif[0x0112] == 6
    assert exif.get_ifd(0x8825)[1] == "N"


def test_a_jpeg_carries_nothing_otherwise() -> None:
    assert not Image.open(io.BytesIO(jpeg(portrait(60, 80)))).getexif()


def test_a_png_loses_nothing() -> None:
    picture = portrait(60, 80)
    assert ImageChops.difference(Image.open(io.BytesIO(png(picture))), picture).getbbox() is None


def test_the_command_writes_a_file(tmp_path: Path) -> None:
    target = tmp_path / "out.jpg"
    subprocess.run([sys.executable, "-m", "deploy.local.portrait", str(target)], check=True, timeout=60)
    with Image.open(target) as picture:
        assert (picture.format, picture.size) == ("JPEG", (768, 1024))
