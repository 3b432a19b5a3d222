"""Storage: the customer's own folder in `user_uploads`, in every form the client can send, and what stays closed."""

import hashlib
from typing import Any

from tests.contract.journey.journey import Journey, new_client, refusal
from tests.contract.journey.waiting import until

JPEG: Any = {"content-type": "image/jpeg"}
REPLACE: Any = {"content-type": "image/jpeg", "upsert": "true"}
TOO_LARGE = 15 * 2**20 + 1


async def photos(journey: Journey) -> None:
    await _uploads(journey)
    await _replacing(journey)
    await _reading(journey)
    await _refused_uploads(journey)
    await _signed_urls(journey)
    await _signed_uploads(journey)
    await _copies(journey)
    await _removals(journey)
    await _strangers(journey)


async def _uploads(journey: Journey) -> None:
    bucket, photo, own = journey.own.client.storage.from_("user_uploads"), journey.photo, journey.own.id

    async def upload(name: str, file: Any, options: Any = JPEG) -> dict[str, object]:
        answer = await bucket.upload(f"{own}/{name}", file, options)
        return {
            "path": journey.named(answer.path),
            "full_path": journey.named(answer.full_path),
            "equal": await bucket.download(f"{own}/{name}") == photo,
        }

    with journey.site.portrait.open("rb") as file:
        first = await upload("file.jpg", file)
    journey.facts["upload_a_file"] = {"first": first, "second": await upload("blob.jpg", journey.site.portrait)}
    journey.facts["upload_bytes"] = {
        "first": await upload("bytes.jpg", photo),
        "second": await upload("more bytes (1).jpg", photo, {**JPEG, "metadata": {"taken": "today"}}),
    }


async def _replacing(journey: Journey) -> None:
    bucket, photo, path = journey.own.client.storage.from_("user_uploads"), journey.photo, f"{journey.own.id}/file.jpg"
    refused = await refusal(bucket.upload(path, photo[:-1], JPEG))
    journey.facts["overwrite"] = {"refused": refused, "equal": await bucket.download(path) == photo}
    await bucket.upload(path, photo[:-1], REPLACE)
    journey.facts["upsert"] = {"equal": await bucket.download(path) == photo[:-1]}
    await bucket.update(path, photo, JPEG)
    journey.facts["update"] = {"equal": await bucket.download(path) == photo}


async def _reading(journey: Journey) -> None:
    bucket, photo, own = journey.own.client.storage.from_("user_uploads"), journey.photo, journey.own.id
    info = await bucket.info(f"{own}/more bytes (1).jpg")
    journey.facts["info"] = {
        "name": journey.named(info["name"]),
        "bucket": info["bucket_id"],
        "size": info["size"] == len(photo),
        "type": info["content_type"],
        "cache": info["cache_control"],
        "etag": info["etag"] == f'"{hashlib.md5(photo).hexdigest()}"',
        "metadata": info["metadata"],
    }
    journey.facts["exists"] = {
        "present": await bucket.exists(f"{own}/file.jpg"),
        "missing": await bucket.exists(f"{own}/missing.jpg"),
    }
    entries = await bucket.list(own)
    root = await bucket.list()
    journey.facts["list"] = {
        "names": [entry["name"] for entry in entries],
        "types": sorted({entry["metadata"]["mimetype"] for entry in entries}),
        "page": [entry["name"] for entry in await bucket.list(own, _page(limit=2, offset=1))],
        "last": [entry["name"] for entry in await bucket.list(own, _page(limit=1, order="desc"))],
        "root": [[journey.named(entry["name"]), entry["id"]] for entry in root],
    }
    theirs = f"{journey.neighbour.id}/theirs.jpg"
    await journey.neighbour.client.storage.from_("user_uploads").upload(theirs, photo, JPEG)
    journey.facts["somebody_elses_folder"] = {
        "list": len(await bucket.list(journey.neighbour.id)),
        "download": await refusal(bucket.download(theirs)),
        "exists": await bucket.exists(theirs),
        "missing": await refusal(bucket.download(f"{own}/missing.jpg")),
    }


def _page(limit: int, offset: int = 0, order: str = "asc") -> Any:
    return {"limit": limit, "offset": offset, "sortBy": {"column": "name", "order": order}}


async def _refused_uploads(journey: Journey) -> None:
    client, photo, own = journey.own.client, journey.photo, journey.own.id
    bucket = client.storage.from_("user_uploads")
    journey.facts["refused_uploads"] = {
        "elsewhere": await refusal(bucket.upload(f"{journey.neighbour.id}/mine.jpg", photo, JPEG)),
        "no_folder": await refusal(bucket.upload("mine.jpg", photo, JPEG)),
        "results": await refusal(client.storage.from_("generations").upload(f"{own}/mine.jpg", photo, JPEG)),
        "no_bucket": await refusal(client.storage.from_("nothing").upload(f"{own}/mine.jpg", photo, JPEG)),
        "wrong_type": await refusal(bucket.upload(f"{own}/mine.gif", photo, {"content-type": "image/gif"})),
        "no_type": await refusal(bucket.upload(f"{own}/mine.jpg", photo)),
        "too_large": await refusal(bucket.upload(f"{own}/mine.jpg", bytes(TOO_LARGE), JPEG)),
        "odd_name": journey.named(await refusal(bucket.upload(f"{own}/mïne.jpg", photo, JPEG))),
    }
    journey.facts["after_refused_uploads"] = {"names": [entry["name"] for entry in await bucket.list(own)]}


async def _signed_urls(journey: Journey) -> None:
    bucket, own = journey.own.client.storage.from_("user_uploads"), journey.own.id
    url = str((await bucket.create_signed_url(f"{own}/more bytes (1).jpg", 60))["signedUrl"])
    opened = await journey.http.get(url)
    attachment = await bucket.create_signed_url(f"{own}/file.jpg", 60, {"download": "me.jpg"})
    brief = str((await bucket.create_signed_url(f"{own}/file.jpg", 1))["signedUrl"])
    head, _, signature = url.rpartition(".")
    forged = f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    journey.facts["signed_url"] = {
        "equal": opened.content == journey.photo,
        "type": opened.headers["content-type"],
        "attachment": (await journey.http.get(str(attachment["signedUrl"]))).headers["content-disposition"],
        "forged": await journey.status(forged),
        "of_another_object": await journey.status(url.replace("more%20bytes%20(1)", "file")),
        "no_token": await journey.status(url.partition("?")[0]),
        "expired": await until(lambda: journey.status(brief), lambda status: status != 200),
        "missing": await refusal(bucket.create_signed_url(f"{own}/missing.jpg", 60)),
        "theirs": await refusal(bucket.create_signed_url(f"{journey.neighbour.id}/theirs.jpg", 60)),
    }
    paths = [f"{own}/file.jpg", f"{own}/missing.jpg", f"{journey.neighbour.id}/theirs.jpg"]
    many = await bucket.create_signed_urls(paths, 60)
    journey.facts["signed_urls"] = {
        "entries": [
            [
                journey.named(entry["path"] or ""),
                entry["error"],
                await journey.status(entry["signedUrl"]) if entry["signedUrl"] else None,
            ]
            for entry in many
        ]
    }
    public = await journey.http.get(await bucket.get_public_url(f"{own}/file.jpg"))
    journey.facts["public_url_of_a_private_bucket"] = {
        "status": public.status_code,
        "code": public.json()["statusCode"],
        "error": public.json()["error"],
    }


async def _signed_uploads(journey: Journey) -> None:
    bucket, photo, own = journey.own.client.storage.from_("user_uploads"), journey.photo, journey.own.id
    anybody = (await new_client(journey.site)).storage.from_("user_uploads")
    signed = await bucket.create_signed_upload_url(f"{own}/signed.jpg")
    token = signed["token"]
    answer = await anybody.upload_to_signed_url(f"{own}/signed.jpg", token, photo, {"content-type": "image/jpeg"})
    journey.facts["signed_upload_url"] = {
        "path": journey.named(signed["path"]),
        "full_path": journey.named(answer.full_path),
        "equal": await bucket.download(f"{own}/signed.jpg") == photo,
        "again": await refusal(
            anybody.upload_to_signed_url(f"{own}/signed.jpg", token, photo, {"content-type": "image/jpeg"})
        ),
        "other_path": await refusal(
            anybody.upload_to_signed_url(f"{own}/else.jpg", token, photo, {"content-type": "image/jpeg"})
        ),
        "theirs": await refusal(bucket.create_signed_upload_url(f"{journey.neighbour.id}/mine.jpg")),
        "existing": await refusal(bucket.create_signed_upload_url(f"{own}/file.jpg")),
    }


async def _copies(journey: Journey) -> None:
    bucket, own, theirs = journey.own.client.storage.from_("user_uploads"), journey.own.id, journey.neighbour.id
    await bucket.copy(f"{own}/file.jpg", f"{own}/albums/copy.jpg")
    await bucket.move(f"{own}/signed.jpg", f"{own}/albums/moved.jpg")
    journey.facts["copy_and_move"] = {
        "copy": await bucket.download(f"{own}/albums/copy.jpg") == journey.photo,
        "moved": await bucket.download(f"{own}/albums/moved.jpg") == journey.photo,
        "left": await bucket.exists(f"{own}/signed.jpg"),
        "folder": [entry["name"] for entry in await bucket.list(f"{own}/albums")],
        "copy_over": await refusal(bucket.copy(f"{own}/file.jpg", f"{own}/albums/copy.jpg")),
        "move_over": await refusal(bucket.move(f"{own}/file.jpg", f"{own}/albums/copy.jpg")),
        "copy_away": await refusal(bucket.copy(f"{own}/file.jpg", f"{theirs}/copy.jpg")),
        "move_away": await refusal(bucket.move(f"{own}/file.jpg", f"{theirs}/moved.jpg")),
        "copy_theirs": await refusal(bucket.copy(f"{theirs}/theirs.jpg", f"{own}/theirs.jpg")),
        "move_theirs": await refusal(bucket.move(f"{theirs}/theirs.jpg", f"{own}/theirs.jpg")),
        "missing": await refusal(bucket.copy(f"{own}/missing.jpg", f"{own}/copy.jpg")),
    }


async def _removals(journey: Journey) -> None:
    bucket, own, theirs = journey.own.client.storage.from_("user_uploads"), journey.own.id, journey.neighbour.id
    removed = await bucket.remove([f"{own}/bytes.jpg", f"{own}/missing.jpg", f"{theirs}/theirs.jpg"])
    journey.facts["remove"] = {
        "removed": [journey.named(row["name"]) for row in removed],
        "missing": await bucket.remove([f"{own}/missing.jpg"]),
        "theirs": await bucket.remove([f"{theirs}/theirs.jpg"]),
        "gone": await bucket.exists(f"{own}/bytes.jpg"),
        "theirs_is_kept": await journey.neighbour.client.storage.from_("user_uploads").exists(f"{theirs}/theirs.jpg"),
    }


async def _strangers(journey: Journey) -> None:
    stranger, own = await new_client(journey.site), journey.own.id
    bucket = stranger.storage.from_("user_uploads")
    journey.facts["storage_signed_out"] = {
        "list": len(await bucket.list(own)),
        "download": await refusal(bucket.download(f"{own}/file.jpg")),
        "upload": await refusal(bucket.upload(f"{own}/mine.jpg", journey.photo, JPEG)),
        "buckets": len(await stranger.storage.list_buckets()),
        "remove": await bucket.remove([f"{own}/file.jpg"]),
    }
    admin = journey.admin.storage
    journey.facts["storage_with_the_secret_key"] = {
        "buckets": sorted([bucket.id, bucket.public, bucket.file_size_limit] for bucket in await admin.list_buckets()),
        "equal": await admin.from_("user_uploads").download(f"{own}/file.jpg") == journey.photo,
    }
