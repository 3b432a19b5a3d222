"""Downloads: under the caller's policies, from a public bucket, or with a signed URL; whole or in a range."""

import os
import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import BinaryIO
from urllib.parse import quote

import asyncpg
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from deploy.local.supabase.storage import objects
from deploy.local.supabase.storage.errors import StorageError, invalid_jwt, no_such_bucket, no_such_key
from deploy.local.supabase.storage.files import read
from deploy.local.supabase.storage.service import Storage

RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


async def own(storage: Storage, request: Request) -> Response:
    """What the caller may select."""
    return await _answer(storage, request, await _visible(storage, request))


async def public(storage: Storage, request: Request) -> Response:
    """Anything in a public bucket, no key asked; a private one does not exist."""
    return await _answer(storage, request, await _in_public_bucket(storage, request))


async def signed(storage: Storage, request: Request) -> Response:
    """What the token was made for, no key asked."""
    bucket, name = request.path_params["bucket"], request.path_params["name"]
    claims = storage.context.keys.verify_url("download", request.query_params.get("token", ""))
    if claims.get("url") != f"{bucket}/{name}":
        raise invalid_jwt("invalid signature")
    return await _answer(storage, request, await objects.find_unchecked(storage, bucket, name))


async def info(storage: Storage, request: Request) -> Response:
    """What is known of an object that the caller may select."""
    return _info(await _visible(storage, request))


async def public_info(storage: Storage, request: Request) -> Response:
    return _info(await _in_public_bucket(storage, request))


async def transformed(_: Storage, request: Request) -> Response:
    """Image transformations are not part of the stand-in."""
    raise StorageError(403, "FeatureNotEnabled", "feature not enabled for this tenant", "FeatureNotEnabled")


async def _visible(storage: Storage, request: Request) -> asyncpg.Record:
    claims = storage.caller(request)
    bucket, name = request.path_params["bucket"], request.path_params["name"]
    async with storage.context.as_caller(claims, read_only=True) as connection:
        return await objects.find(connection, bucket, name)


async def _in_public_bucket(storage: Storage, request: Request) -> asyncpg.Record:
    bucket, name = request.path_params["bucket"], request.path_params["name"]
    if not (await objects.find_bucket(storage, bucket))["public"]:
        raise no_such_bucket()
    return await objects.find_unchecked(storage, bucket, name)


def _info(row: asyncpg.Record) -> Response:
    metadata = objects.metadata_of(row)
    return JSONResponse(
        {
            "id": str(row["id"]),
            "name": row["name"],
            "version": row["version"],
            "bucket_id": row["bucket_id"],
            "size": metadata.get("size"),
            "content_type": metadata.get("mimetype"),
            "cache_control": metadata.get("cacheControl"),
            "etag": metadata.get("eTag"),
            "metadata": objects.user_metadata_of(row),
            "last_modified": metadata.get("lastModified") or row["updated_at"].isoformat(),
            "created_at": row["created_at"].isoformat(),
        }
    )


async def _answer(storage: Storage, request: Request, row: asyncpg.Record) -> Response:
    metadata = objects.metadata_of(row)
    modified = _modified(row, metadata.get("lastModified"))
    headers = {
        "etag": metadata.get("eTag", ""),
        "cache-control": metadata.get("cacheControl", "no-cache"),
        "last-modified": format_datetime(modified, usegmt=True),
        "accept-ranges": "bytes",
    }
    if _unchanged(request, headers["etag"], modified):
        return Response(status_code=304, headers=headers)
    headers["content-type"] = metadata.get("mimetype", "application/octet-stream")
    download = request.query_params.get("download")
    if download is not None:
        file_name = download or row["name"].rpartition("/")[2]
        headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(file_name, safe='')}"
    try:
        file = await storage.files.open(row["version"])
    except FileNotFoundError as error:
        raise no_such_key() from error
    size = os.fstat(file.fileno()).st_size
    try:
        part = _range(request.headers.get("range"), size)
    except StorageError:
        file.close()
        raise
    if part is None:
        return _stream(file, 200, {**headers, "content-length": str(size)}, 0, size - 1)
    first, last = part
    headers["content-range"] = f"bytes {first}-{last}/{size}"
    return _stream(file, 206, {**headers, "content-length": str(last - first + 1)}, first, last)


def _stream(file: BinaryIO, status: int, headers: dict[str, str], first: int, last: int) -> Response:
    # Closed twice does no harm; a HEAD request never starts the reading.
    return StreamingResponse(read(file, first, last), status, headers, background=BackgroundTask(file.close))


def _range(header: str | None, size: int) -> tuple[int, int] | None:
    """The first and last byte asked for; `None` for the whole file, also when several ranges are asked for."""
    match = RANGE.fullmatch(header.replace(" ", "")) if header is not None else None
    if match is None or not any(match.groups()):
        return None
    start, end = match.groups()
    first = int(start) if start else max(0, size - int(end))
    last = min(int(end), size - 1) if start and end else size - 1
    if first >= size or first > last:
        message = "The requested range is not satisfiable"
        raise StorageError(416, "InvalidRange", message, "InvalidRange", http_status=416)
    return first, last


def _unchanged(request: Request, etag: str, modified: datetime) -> bool:
    known = request.headers.get("if-none-match")
    if known is not None:
        return etag in (part.strip().removeprefix("W/") for part in known.split(",")) or known.strip() == "*"
    since = request.headers.get("if-modified-since")
    try:
        return since is not None and parsedate_to_datetime(since) >= modified
    except (ValueError, TypeError):
        return False


def _modified(row: asyncpg.Record, text: str | None) -> datetime:
    moment: datetime = datetime.fromisoformat(text) if text else row["updated_at"]
    return moment.astimezone(UTC).replace(microsecond=0)
