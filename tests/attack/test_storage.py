"""Alice at Bob's files, by every route of Storage and every spelling of his folder; and at the bucket of results."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.attack.world import PICTURE, World

pytestmark = pytest.mark.usefixtures("nothing_changes")

JPEG = {"Content-Type": "image/jpeg"}
# Ways to write a name in Bob's folder, or out of her own.
SPELLINGS: dict[str, Callable[[str, str], str]] = {
    "plain": lambda _, bob: f"{bob}/x.jpg",
    "dots": lambda alice, bob: f"{alice}/../{bob}/x.jpg",
    "more dots": lambda alice, bob: f"{alice}/a/../../{bob}/x.jpg",
    "encoded dots": lambda alice, bob: f"{alice}/%2e%2e/{bob}/x.jpg",
    "half encoded dots": lambda alice, bob: f"{alice}/.%2E/{bob}/x.jpg",
    "encoded slash": lambda alice, bob: f"{alice}%2f..%2f{bob}/x.jpg",
    "doubly encoded": lambda alice, bob: f"{alice}/%252e%252e/{bob}/x.jpg",
    "doubly encoded slash": lambda alice, bob: f"{alice}%252f..%252f{bob}%252fx.jpg",
    "backslash": lambda alice, bob: f"{alice}%5c..%5c{bob}/x.jpg",
    "upper case": lambda _, bob: f"{bob.upper()}/x.jpg",
    "mixed case": lambda _, bob: f"{bob[:18].upper()}{bob[18:]}/x.jpg",
    "leading slash": lambda _, bob: f"/{bob}/x.jpg",
    "two slashes": lambda alice, bob: f"{alice}//{bob}/x.jpg",
    "a space": lambda _, bob: f"%20{bob}/x.jpg",
    "another space": lambda _, bob: f"{bob}%20/x.jpg",
    "a null": lambda _, bob: f"{bob}%00/x.jpg",
    "full width": lambda alice, bob: f"{alice}/%ef%bc%8e%ef%bc%8e%ef%bc%8f{bob}/x.jpg",
    "overlong": lambda alice, bob: f"{alice}/%c0%ae%c0%ae/{bob}/x.jpg",
    "no folder": lambda _, __: "x.jpg",
    "only a prefix": lambda alice, _: f"{alice}x/x.jpg",
    "in the bucket's name": lambda _, bob: f"../generations/{bob}/x.jpg",
}
SPELLED = pytest.mark.parametrize("spelling", SPELLINGS)


def names(world: World, spelling: str) -> str:
    return SPELLINGS[spelling](str(world.alice.id), str(world.bob.id))


async def test_the_token_is_good_and_her_own_folder_takes_a_photo(world: World) -> None:
    name = f"user_uploads/{world.alice.id}/own.jpg"
    assert (await world.call("POST", f"/storage/v1/object/{name}", content=PICTURE, headers=JPEG)).status_code == 200
    assert (await world.call("GET", f"/storage/v1/object/{name}")).content == PICTURE
    await world.remember()


@SPELLED
@pytest.mark.parametrize("method", ["POST", "PUT", "upsert"])
@pytest.mark.parametrize("bucket", ["user_uploads", "generations"])
async def test_nothing_is_put_there(world: World, bucket: str, method: str, spelling: str) -> None:
    headers = JPEG | ({"x-upsert": "true"} if method == "upsert" else {})
    path = f"/storage/v1/object/{bucket}/{names(world, spelling)}"
    answer = await world.call("PUT" if method == "PUT" else "POST", path, content=PICTURE, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text


@SPELLED
async def test_no_upload_is_signed_for_there(world: World, spelling: str) -> None:
    for bucket in ("user_uploads", "generations"):
        for upsert in ("true", "false"):
            path = f"/storage/v1/object/upload/sign/{bucket}/{names(world, spelling)}"
            answer = await world.call("POST", path, json={}, headers={"x-upsert": upsert})
            assert 400 <= answer.status_code < 500, answer.text


@pytest.mark.parametrize("token", ["Alice's", "none"])
@SPELLED
async def test_nothing_is_read_there(world: World, spelling: str, token: str) -> None:
    bearer = None if token == "Alice's" else ""
    name = names(world, spelling).replace("x.jpg", world.bobs.photo.rpartition("/")[2])
    for way in ("", "authenticated/", "public/", "info/", "info/authenticated/", "info/public/"):
        answer = await world.call("GET", f"/storage/v1/object/{way}user_uploads/{name}", token=bearer)
        assert 400 <= answer.status_code < 500, (way, answer.text)
        assert PICTURE[:64] not in answer.content
    signed = await world.call(
        "POST", f"/storage/v1/object/sign/user_uploads/{name}", json={"expiresIn": 60}, token=bearer
    )
    assert 400 <= signed.status_code < 500, signed.text


async def test_many_names_at_once_are_signed_for_no_one_elses(world: World) -> None:
    paths = [world.bobs.photo, f"{world.alice.id}/../{world.bobs.photo}", f"/{world.bobs.photo}"]
    answer = await world.call("POST", "/storage/v1/object/sign/user_uploads", json={"expiresIn": 60, "paths": paths})
    assert [entry["signedURL"] for entry in answer.json()] == [None] * len(paths)


async def test_a_signed_address_is_good_for_its_own_name_and_purpose_only(world: World) -> None:
    own, his = world.alices.photo, world.bobs.photo
    sign: dict[str, Any] = {"json": {"expiresIn": 60}}
    download = (await world.call("POST", f"/storage/v1/object/sign/user_uploads/{own}", **sign)).json()["signedURL"]
    token = download.partition("token=")[2]
    upload = await world.call("POST", f"/storage/v1/object/upload/sign/user_uploads/{world.alice.id}/new.jpg", json={})
    put = upload.json()["token"]
    for name in (his, f"{world.alice.id}/../{his}", f"{world.alice.id}/%2e%2e/{his}"):
        for stolen in (token, put, world.token, f"{token}x", ""):
            read = await world.call("GET", f"/storage/v1/object/sign/user_uploads/{name}?token={stolen}", token="")
            assert 400 <= read.status_code < 500
            for bucket in ("user_uploads", "generations"):
                path = f"/storage/v1/object/upload/sign/{bucket}/{name}?token={stolen}"
                written = await world.call("PUT", path, content=PICTURE, headers=JPEG, token="")
                assert 400 <= written.status_code < 500
    # A download's token uploads nothing, not even under her own name.
    path = f"/storage/v1/object/upload/sign/user_uploads/{own}?token={token}"
    assert (await world.call("PUT", path, content=PICTURE, headers=JPEG, token="")).status_code == 400


@pytest.mark.parametrize("bucket", ["user_uploads", "generations"])
@pytest.mark.parametrize("token", ["Alice's", "none"])
async def test_his_files_are_not_listed(world: World, bucket: str, token: str) -> None:
    bearer = None if token == "Alice's" else ""
    bob = str(world.bob.id)
    for prefix in (bob, f"{bob}/", bob.upper(), f"/{bob}", f"{world.alice.id}/../{bob}", f"{bob[:8]}%", "%", "", "_"):
        for search in ("", "%", bob, "photo"):
            body = {"prefix": prefix, "search": search, "limit": 100}
            answer = await world.call("POST", f"/storage/v1/object/list/{bucket}", json=body, token=bearer)
            assert answer.status_code >= 400 or bob not in answer.text
        v2 = await world.call("POST", f"/storage/v1/object/list-v2/{bucket}", json={"prefix": prefix}, token=bearer)
        assert v2.status_code >= 400 or bob not in v2.text.replace(f'"{prefix}"', "")


async def test_nothing_is_removed(world: World) -> None:
    bob, photo = world.bob.id, world.bobs.photo
    for bucket, name in (
        ("user_uploads", photo),
        ("generations", world.bobs.picture),
        ("generations", world.alices.picture),
    ):
        variants = [name, f"/{name}", f"{world.alice.id}/../{name}", name.upper(), f"{bob}/", f"{bob}/*", "*", "%"]
        answer = await world.call("DELETE", f"/storage/v1/object/{bucket}", json={"prefixes": variants})
        assert answer.status_code >= 400 or answer.json() == []
        for one in variants:
            single = await world.call("DELETE", f"/storage/v1/object/{bucket}/{one.replace('%', '%25')}")
            assert 400 <= single.status_code < 500


def transfers(world: World) -> list[dict[str, Any]]:
    mine, his, alice, bob = world.alices.photo, world.bobs.photo, world.alice.id, world.bob.id
    up, out = "user_uploads", "generations"
    found = [
        (up, his, up, f"{alice}/stolen.jpg"),
        (up, f"{alice}/../{his}", up, f"{alice}/stolen.jpg"),
        (up, f"/{his}", up, f"{alice}/stolen.jpg"),
        (up, mine, up, f"{bob}/planted.jpg"),
        (up, mine, up, his),
        (up, mine, up, f"{alice}/../{bob}/planted.jpg"),
        (up, mine, up, f"{str(bob).upper()}/planted.jpg"),
        (up, mine, up, "planted.jpg"),
        (up, mine, out, f"{alice}/planted.jpg"),
        (up, mine, out, f"{bob}/planted.jpg"),
        (up, mine, out, world.alices.picture),
        (out, world.bobs.picture, up, f"{alice}/stolen.jpg"),
        (out, world.alices.picture, out, f"{alice}/elsewhere.jpg"),
        (out, world.alices.picture, out, world.bobs.picture),
    ]
    return [
        {"bucketId": bucket, "sourceKey": source, "destinationBucket": target_bucket, "destinationKey": target}
        for bucket, source, target_bucket, target in found
    ]


@pytest.mark.parametrize("way", ["move", "copy"])
@pytest.mark.parametrize("upsert", ["true", "false"])
async def test_nothing_is_moved_or_copied_across(world: World, way: str, upsert: str) -> None:
    for body in transfers(world):
        answer = await world.call("POST", f"/storage/v1/object/{way}", json=body, headers={"x-upsert": upsert})
        assert 400 <= answer.status_code < 500, body


async def test_her_own_result_is_hers_to_look_at_only(world: World) -> None:
    path = f"/storage/v1/object/generations/{world.alices.picture}"
    for method, headers in (("POST", {}), ("POST", {"x-upsert": "true"}), ("PUT", {})):
        answer = await world.call(method, path, content=PICTURE, headers=JPEG | headers)
        assert 400 <= answer.status_code < 500
    assert (await world.call("DELETE", path)).status_code == 400


async def test_buckets_are_not_hers_to_change(world: World) -> None:
    for method, path, body in (
        ("POST", "/bucket", {"id": "mine", "name": "mine", "public": True}),
        ("PUT", "/bucket/user_uploads", {"public": True}),
        ("PUT", "/bucket/generations", {"file_size_limit": None, "allowed_mime_types": None}),
        ("POST", "/bucket/user_uploads/empty", {}),
        ("POST", "/bucket/generations/empty", {}),
        ("DELETE", "/bucket/user_uploads", None),
    ):
        answer = await world.call(method, f"/storage/v1{path}", json=body)
        assert 400 <= answer.status_code < 500, (method, path, answer.text)


@pytest.mark.parametrize(
    ("content_type", "size"),
    [("text/html", 100), ("image/svg+xml", 100), ("application/javascript", 100), ("image/jpeg", 15_728_641)],
)
async def test_her_own_folder_takes_photos_only_and_none_too_large(world: World, content_type: str, size: int) -> None:
    path = f"/storage/v1/object/user_uploads/{world.alice.id}/odd.jpg"
    answer = await world.call("POST", path, content=b"<" * size, headers={"Content-Type": content_type})
    assert 400 <= answer.status_code < 500
