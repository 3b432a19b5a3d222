"""A photo's path names an object in the caller's own folder, whatever its spelling, or is refused."""

import posixpath
import unicodedata
from urllib.parse import unquote
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schemas.paths import ForbiddenPathError, own_object_name

ME = UUID("0b8ef63a-5c1d-4c0e-9a56-1d2f3a4b5c6d")
OTHER = UUID("9c8ef63a-5c1d-4c0e-9a56-1d2f3a4b5c6d")


@pytest.mark.parametrize(
    "name", ["photo.jpg", "2026/11/photo (1).jpg", "a", "...jpg", ".hidden", "a..b", "it's_&$@=;:+,?*!-.png"]
)
def test_what_can_be_uploaded_to_the_own_folder_is_taken(name: str) -> None:
    assert own_object_name(f"{ME}/{name}", ME) == f"{ME}/{name}"
    assert own_object_name(f"user_uploads/{ME}/{name}", ME) == f"{ME}/{name}"


FORBIDDEN = [
    "",
    "/",
    str(ME),
    f"{ME}/",
    f"/{ME}/a.jpg",
    f"{ME}//a.jpg",
    f"{ME}/a/",
    f"{ME}/./a.jpg",
    f"{ME}/../{OTHER}/a.jpg",
    f"{ME}/b/../../{OTHER}/a.jpg",
    f"{ME}/..",
    f"{ME}/. ./a.jpg",
    f"{ME}/.. /a.jpg",
    f"{ME}/.../a.jpg",
    f"{OTHER}/a.jpg",
    f"{OTHER}/{ME}/a.jpg",
    f"{ME}x/a.jpg",
    f"user_uploads/{OTHER}/a.jpg",
    f"user_uploads//{ME}/a.jpg",
    f"user_uploads/user_uploads/{ME}/a.jpg",
    f"User_Uploads/{ME}/a.jpg",
    f"generations/{ME}/a.jpg",
    f"./{ME}/a.jpg",
    f"{str(ME).upper()}/a.jpg",
    f"{ME.hex}/a.jpg",
    f"{{{ME}}}/a.jpg",
    f" {ME}/a.jpg",
    f"{ME}\\..\\{OTHER}\\a.jpg",
    f"{ME}/..\\a.jpg",
    f"{ME}/%2e%2e/{OTHER}/a.jpg",
    f"{ME}/%2E%2E%2F{OTHER}/a.jpg",
    f"{ME}/%252e%252e/{OTHER}/a.jpg",
    f"{ME}%2Fa.jpg",
    f"{ME}/a%00.jpg",
    f"{ME}/a\x00.jpg",
    f"{ME}/a\n.jpg",
    f"{ME}/a.jpg\n",
    f"{ME}/\x7f",
    f"{ME}/a#b",
    f"{ME}/．．/{OTHER}/a.jpg",  # full-width dots
    f"{ME}／a.jpg",  # a full-width slash
    f"{ME}/‥/a.jpg",  # a two dot leader, which NFKC makes `..`
    f"{ME}/\u2215..\u2215{OTHER}/a.jpg",
    f"{ME}/é.jpg",
    f"{ME}/\u202e.jpg",
    f"https://example.com/{ME}/a.jpg",
    f"https://example.com/storage/v1/object/user_uploads/{ME}/a.jpg",
    f"file:///{ME}/a.jpg",
    f"{ME}/{'a' * 1024}",
    f"user_uploads/{ME}/" + "a/" * 500,
]


@pytest.mark.parametrize("path", FORBIDDEN)
def test_everything_else_is_forbidden(path: str) -> None:
    with pytest.raises(ForbiddenPathError) as refusal:
        own_object_name(path, ME)
    assert str(refusal.value) == ""


PIECES = st.sampled_from(
    [
        str(ME),
        str(OTHER),
        str(ME).upper(),
        "user_uploads",
        "generations",
        "/",
        "//",
        ".",
        "..",
        "%2e",
        "%2F",
        "%25",
        "%",
        *("\\", "\x00", " ", "．", "／", "‥", "\u2215", "a", "photo.jpg", "?", "https://"),
    ]
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PIECES, max_size=10).map("".join) | st.text(max_size=40).map(lambda tail: f"{ME}/{tail}"))
@example(f"{ME}/a?/../b")
def test_nothing_ever_leads_out_of_the_folder(path: str) -> None:
    try:
        name = own_object_name(path, ME)
    except ForbiddenPathError:
        return
    readings = {
        name,
        unquote(name),
        unquote(unquote(name)),
        unicodedata.normalize("NFKC", name),
        name.replace("\\", "/"),
    }
    for reading in readings:
        assert reading == posixpath.normpath(reading) == name
        assert reading.startswith(f"{ME}/")
    assert name == path.removeprefix("user_uploads/")
