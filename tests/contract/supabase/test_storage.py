"""Storage: every way in and out, under the real policies; rows and files agree."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from storage3.exceptions import StorageApiError
from supabase import AsyncClient

from tests.contract.supabase.conftest import Project, User

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
PNG: Any = {"content-type": "image/png"}


async def token_of(user: User) -> dict[str, str]:
    session = await user.client.auth.get_session()
    assert session is not None
    return {"authorization": f"Bearer {session.access_token}"}


async def row_of(project: Project, name: str) -> Any:
    return await project.owner.fetchrow(
        "select *, metadata ->> 'eTag' as etag, (metadata ->> 'size')::int as size"
        " from storage.objects where name = $1",
        name,
    )


async def test_an_upload_comes_back_byte_for_byte(project: Project, user: User) -> None:
    name = f"{user.id}/a b.png"
    bucket = user.client.storage.from_("photos")
    assert (await bucket.upload(name, PICTURE, PNG)).full_path == f"photos/{name}"
    assert await bucket.download(name) == PICTURE
    row = await row_of(project, name)
    assert row["etag"] == f'"{hashlib.md5(PICTURE).hexdigest()}"'
    assert row["size"] == len(PICTURE)
    assert row["owner_id"] == user.id
    assert row["version"]


async def test_info_exists_and_lists_agree(user: User) -> None:
    name = f"{user.id}/deep/er/a.png"
    bucket = user.client.storage.from_("photos")
    options: Any = {**PNG, "cache-control": "60", "metadata": {"taken": "today"}}
    await bucket.upload(name, PICTURE, options)
    info = await bucket.info(name)
    assert (info["name"], info["size"], info["content_type"]) == (name, len(PICTURE), "image/png")
    assert (info["cache_control"], info["metadata"]) == ("max-age=60", {"taken": "today"})
    assert await bucket.exists(name)
    assert not await bucket.exists(f"{user.id}/nothing.png")
    (folder,) = await bucket.list(user.id)
    assert (folder["name"], folder["id"], folder["metadata"]) == ("deep", None, None)
    (file,) = await bucket.list(f"{user.id}/deep/er")
    assert (file["name"], file["metadata"]["eTag"]) == ("a.png", info["etag"])
    (entry,) = (await bucket.list_v2({"prefix": user.id})).objects
    assert entry.name == name


async def test_lists_come_in_order_and_in_pages(user: User) -> None:
    bucket = user.client.storage.from_("photos")
    for name in ("b_1", "a", "c%", "bx1"):
        await bucket.upload(f"{user.id}/{name.replace('%', '')}.png", PICTURE, PNG)
    ordered: Any = {"sortBy": {"column": "name", "order": "desc"}, "limit": 2, "offset": 1}
    assert [row["name"] for row in await bucket.list(user.id, ordered)] == ["bx1.png", "b_1.png"]
    found: Any = {"search": "b_"}
    assert [row["name"] for row in await bucket.list(user.id, found)] == ["b_1.png"]
    first = await bucket.list_v2({"prefix": f"{user.id}/", "limit": 3})
    assert first.hasNext
    assert first.nextCursor is not None
    rest = await bucket.list_v2({"prefix": f"{user.id}/", "limit": 3, "cursor": first.nextCursor})
    assert [entry.name.rpartition("/")[2] for entry in [*first.objects, *rest.objects]] == [
        "a.png",
        "b_1.png",
        "bx1.png",
        "c.png",
    ]
    assert not rest.hasNext


async def test_a_raw_body_with_metadata_in_a_header_is_an_upload(project: Project, user: User) -> None:
    name = f"{user.id}/raw.png"
    headers = {
        **await token_of(user),
        "content-type": "image/png",
        "cache-control": "max-age=7",
        "x-metadata": base64.b64encode(b'{"k": 1}').decode(),
    }
    answer = await project.http.post(f"/storage/v1/object/photos/{name}", content=PICTURE, headers=headers)
    row = await row_of(project, name)
    assert answer.json() == {"Key": f"photos/{name}", "Id": str(row["id"])}
    assert row["user_metadata"] == '{"k": 1}'


async def test_a_form_may_come_in_single_bytes(project: Project, user: User) -> None:
    name = f"{user.id}/form.png"
    content = b"--x\r\n-\r\n--xx\r\n\r\n--"
    body = (
        b'--xyz\r\nContent-Disposition: form-data; name="cacheControl"\r\n\r\n\r\n'
        b'--xyz\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{"a":"\xc3\xa9"}\r\n'
        b'--xyz\r\nContent-Disposition: form-data; name=""; filename="blob"\r\nContent-Type: image/png\r\n\r\n'
        + content
        + b"\r\n--xyz--\r\n"
    )

    async def slowly() -> AsyncIterator[bytes]:
        for position in range(len(body)):
            yield body[position : position + 1]

    headers = {**await token_of(user), "content-type": "multipart/form-data; boundary=xyz"}
    answer = await project.http.post(f"/storage/v1/object/photos/{name}", content=slowly(), headers=headers)
    assert answer.status_code == 200, answer.text
    assert await user.client.storage.from_("photos").download(name) == content
    assert (await row_of(project, name))["user_metadata"] == '{"a": "é"}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--xyz--\r\n",
        b'--xyz\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--xyz--\r\n',
        b'--xyz\r\nContent-Disposition: form-data; name=""; filename="b"\r\nContent-Type: image/png\r\n\r\ncut of',
    ],
)
async def test_a_form_without_a_whole_file_leaves_nothing(project: Project, user: User, body: bytes) -> None:
    before = project.files()
    headers = {**await token_of(user), "content-type": "multipart/form-data; boundary=xyz"}
    name = f"{user.id}/cut.png"
    answer = await project.http.post(f"/storage/v1/object/photos/{name}", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert await row_of(project, name) is None
    assert project.files() == before


async def test_a_second_upload_is_a_duplicate_unless_it_upserts(project: Project, user: User) -> None:
    name = f"{user.id}/a.png"
    bucket = user.client.storage.from_("photos")
    await bucket.upload(name, PICTURE, PNG)
    first, files = await row_of(project, name), project.files()
    with pytest.raises(StorageApiError) as refused:
        await bucket.upload(name, b"other", PNG)
    assert (str(refused.value.status), refused.value.code) == ("409", "Duplicate")
    assert project.files() == files
    options: Any = {**PNG, "upsert": "true"}
    await bucket.upload(name, b"other", options)
    second = await row_of(project, name)
    assert await bucket.download(name) == b"other"
    assert second["id"] == first["id"]
    assert (second["version"], second["etag"]) != (first["version"], first["etag"])
    assert len(project.files()) == len(files)


async def test_update_replaces_the_content(user: User) -> None:
    name = f"{user.id}/a.png"
    bucket = user.client.storage.from_("photos")
    await bucket.upload(name, PICTURE, PNG)
    await bucket.update(name, b"new", PNG)
    assert await bucket.download(name) == b"new"


async def test_many_writers_of_one_name_leave_one_file(project: Project, user: User) -> None:
    name = f"{user.id}/race.png"
    files = project.files()
    options: Any = {**PNG, "upsert": "true"}
    bucket = user.client.storage.from_("photos")
    await asyncio.gather(*(bucket.upload(name, b"%d" % number * 10, options) for number in range(10, 18)))
    content = await bucket.download(name)
    assert (await row_of(project, name))["etag"] == f'"{hashlib.md5(content).hexdigest()}"'
    assert len(project.files() - files) == 1


async def test_only_one_of_many_first_uploads_wins(project: Project, user: User) -> None:
    name, files = f"{user.id}/first.png", project.files()
    bucket = user.client.storage.from_("photos")
    results = await asyncio.gather(*(bucket.upload(name, PICTURE, PNG) for _ in range(6)), return_exceptions=True)
    assert sum(not isinstance(result, BaseException) for result in results) == 1
    assert len(project.files() - files) == 1


async def test_policies_decide_who_writes_and_reads(project: Project, new_user: Callable[[], Any]) -> None:
    owner, other = await new_user(), await new_user()
    name = f"{owner.id}/a.png"
    await owner.client.storage.from_("photos").upload(name, PICTURE, PNG)
    foreign = other.client.storage.from_("photos")
    files = project.files()
    with pytest.raises(StorageApiError, match="row-level security") as refused:
        await foreign.upload(f"{owner.id}/b.png", PICTURE, PNG)
    assert str(refused.value.status) == "403"
    with pytest.raises(StorageApiError, match="Object not found"):
        await foreign.download(name)
    with pytest.raises(StorageApiError, match="Object not found"):
        await foreign.create_signed_url(name, 60)
    assert await foreign.list(owner.id) == []
    assert await foreign.remove([name]) == []
    assert not await foreign.exists(name)
    anonymous = await project.client()
    with pytest.raises(StorageApiError):
        await anonymous.storage.from_("photos").upload("x/a.png", PICTURE, PNG)
    assert project.files() == files


async def test_the_secret_key_is_above_policies(admin: AsyncClient, user: User, project: Project) -> None:
    name = f"{user.id}/by-service.png"
    await admin.storage.from_("photos").upload(name, PICTURE, PNG)
    assert (await row_of(project, name))["owner_id"] is None
    assert await user.client.storage.from_("photos").download(name) == PICTURE


async def test_a_buckets_limits_hold(project: Project, user: User) -> None:
    bucket, files = user.client.storage.from_("photos"), project.files()
    with pytest.raises(StorageApiError) as large:
        await bucket.upload(f"{user.id}/large.png", bytes(100_001), PNG)
    assert str(large.value.status) == "413"
    wrong: Any = {"content-type": "image/gif"}
    with pytest.raises(StorageApiError) as gif:
        await bucket.upload(f"{user.id}/a.gif", PICTURE, wrong)
    assert (str(gif.value.status), gif.value.code) == ("415", "invalid_mime_type")
    assert project.files() == files
    await bucket.upload(f"{user.id}/just.png", bytes(100_000), PNG)


@pytest.mark.parametrize("name", ["../a.png", "x/../../a.png", "x//a.png", "x/./a.png", "a\x00.png", "é.png", "a\\b"])
async def test_names_that_could_be_paths_are_refused(project: Project, name: str) -> None:
    url = httpx.URL(project.url).copy_with(
        raw_path=b"/storage/v1/object/gallery/" + "".join(f"%{byte:02x}" for byte in name.encode()).encode()
    )
    headers = {"apikey": project.keys.secret_key, "content-type": "image/png"}
    answer = await project.http.post(url, content=PICTURE, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "InvalidKey"), answer.text


async def test_a_public_bucket_is_read_without_a_key_and_a_private_one_is_not(
    project: Project, admin: AsyncClient, user: User
) -> None:
    name = f"{user.id}.png"
    await admin.storage.from_("gallery").upload(name, PICTURE, PNG)
    url = await admin.storage.from_("gallery").get_public_url(name)
    async with httpx.AsyncClient() as stranger:
        answer = await stranger.get(url)
        assert answer.content == PICTURE
        assert answer.headers["content-type"] == "image/png"
        private = await stranger.get(f"{project.url}/storage/v1/object/public/photos/{name}")
        assert (private.status_code, private.json()["error"]) == (400, "Bucket not found")
        saved = await stranger.get(url, params={"download": "mein Bild.png"})
        assert saved.headers["content-disposition"] == "attachment; filename*=UTF-8''mein%20Bild.png"


async def test_ranges_and_conditional_requests(project: Project, admin: AsyncClient, user: User) -> None:
    name = f"{user.id}-range.png"
    await admin.storage.from_("gallery").upload(name, PICTURE, PNG)
    path = f"/storage/v1/object/public/gallery/{name}"
    whole = await project.http.get(path)
    assert whole.headers["accept-ranges"] == "bytes"
    for asked, expected, said in (
        ("bytes=0-9", PICTURE[:10], f"bytes 0-9/{len(PICTURE)}"),
        ("bytes=5000-", PICTURE[5000:], f"bytes 5000-{len(PICTURE) - 1}/{len(PICTURE)}"),
        ("bytes=-7", PICTURE[-7:], f"bytes {len(PICTURE) - 7}-{len(PICTURE) - 1}/{len(PICTURE)}"),
    ):
        part = await project.http.get(path, headers={"range": asked})
        assert (part.status_code, part.content, part.headers["content-range"]) == (206, expected, said)
    assert (await project.http.get(path, headers={"range": "bytes=999999-"})).status_code == 416
    same = await project.http.get(path, headers={"if-none-match": whole.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    since = await project.http.get(path, headers={"if-modified-since": whole.headers["last-modified"]})
    assert since.status_code == 304
    head = await project.http.head(path)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(PICTURE)))


async def test_a_signed_url_opens_one_object_for_a_while(project: Project, user: User) -> None:
    name = f"{user.id}/a b.png"
    bucket = user.client.storage.from_("photos")
    await bucket.upload(name, PICTURE, PNG)
    await bucket.upload(f"{user.id}/other.png", PICTURE, PNG)
    url = (await bucket.create_signed_url(name, 60))["signedURL"]
    assert url is not None
    async with httpx.AsyncClient() as stranger:
        assert (await stranger.get(url)).content == PICTURE
        answer = await stranger.get(url.replace("a%20b", "other"))
        assert (answer.status_code, answer.json()["error"]) == (400, "InvalidJWT")
        assert (await stranger.get(url[:-3])).status_code == 400
    signed = await bucket.create_signed_urls([name, "nothing.png"], 60)
    assert [(item["error"] is None, item["signedURL"] is None) for item in signed] == [(True, False), (False, True)]


async def test_a_signed_upload_url_takes_one_file_without_a_key(project: Project, user: User) -> None:
    name = f"{user.id}/signed.png"
    signed = await user.client.storage.from_("photos").create_signed_upload_url(name)
    nobody = await project.client()
    await nobody.storage.from_("photos").upload_to_signed_url(name, signed["token"], PICTURE, PNG)
    assert (await row_of(project, name))["owner_id"] == user.id
    with pytest.raises(StorageApiError):
        await nobody.storage.from_("photos").upload_to_signed_url(name, signed["token"], b"again", PNG)
    with pytest.raises(StorageApiError):
        await nobody.storage.from_("photos").upload_to_signed_url(f"{user.id}/b.png", signed["token"], b"x", PNG)
    assert await user.client.storage.from_("photos").download(name) == PICTURE


async def test_a_name_that_is_not_ones_own_gets_no_signed_upload_url(project: Project, user: User) -> None:
    with pytest.raises(StorageApiError, match="row-level security"):
        await user.client.storage.from_("photos").create_signed_upload_url("elsewhere/a.png")


async def test_remove_answers_the_rows_and_drops_the_files(project: Project, user: User) -> None:
    files = project.files()
    bucket = user.client.storage.from_("photos")
    await bucket.upload(f"{user.id}/a.png", PICTURE, PNG)
    gone = await bucket.remove([f"{user.id}/a.png", f"{user.id}/never.png"])
    assert [row["name"] for row in gone] == [f"{user.id}/a.png"]
    assert project.files() == files
    with pytest.raises(StorageApiError, match="Object not found"):
        await bucket.download(f"{user.id}/a.png")


async def test_moving_and_copying_follow_the_policies(project: Project, user: User) -> None:
    bucket = user.client.storage.from_("photos")
    source, moved, copied = (f"{user.id}/{name}.png" for name in ("source", "moved", "copied"))
    await bucket.upload(source, PICTURE, PNG)
    await bucket.move(source, moved)
    assert not await bucket.exists(source)
    await bucket.copy(moved, copied)
    await bucket.remove([moved])
    assert await bucket.download(copied) == PICTURE
    with pytest.raises(StorageApiError, match="row-level security"):
        await bucket.move(copied, "elsewhere/a.png")
    with pytest.raises(StorageApiError, match="row-level security"):
        await bucket.copy(copied, "elsewhere/a.png")
    await bucket.upload(source, b"x", PNG)
    with pytest.raises(StorageApiError, match="already exists"):
        await bucket.move(source, copied)


async def test_the_secret_key_keeps_buckets(admin: AsyncClient, user: User) -> None:
    name = f"bucket-{user.id}"
    await admin.storage.create_bucket(
        name, options={"public": True, "file_size_limit": 2000, "allowed_mime_types": ["image/*"]}
    )
    bucket = await admin.storage.get_bucket(name)
    assert (bucket.public, bucket.file_size_limit, bucket.allowed_mime_types) == (True, 2000, ["image/*"])
    await admin.storage.from_(name).upload("a.png", b"x", PNG)
    await admin.storage.update_bucket(name, {"public": False})
    with pytest.raises(StorageApiError) as full:
        await admin.storage.delete_bucket(name)
    assert str(full.value.status) == "409"
    await admin.storage.empty_bucket(name)
    await admin.storage.delete_bucket(name)
    with pytest.raises(StorageApiError):
        await admin.storage.get_bucket(name)
    with pytest.raises(StorageApiError, match="row-level security"):
        await user.client.storage.create_bucket(f"mine-{user.id}")


async def test_a_missing_bucket_is_named(admin: AsyncClient) -> None:
    with pytest.raises(StorageApiError, match="Bucket not found") as refused:
        await admin.storage.from_("nowhere").upload("a.png", PICTURE, PNG)
    assert str(refused.value.status) == "404"
