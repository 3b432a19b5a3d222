"""Uploads, in every shape the clients use."""

import base64
import binascii
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.local.supabase.storage import objects
from deploy.local.supabase.storage.errors import invalid_jwt, invalid_request, too_large, wrong_type
from deploy.local.supabase.storage.multipart import read_form
from deploy.local.supabase.storage.names import valid_name
from deploy.local.supabase.storage.publish import may_write, publish
from deploy.local.supabase.storage.service import Storage

MAX_OBJECT_BYTES = 52_428_800  # hosted Supabase's limit on the free plan; a bucket's own is lower
FORM_OVERHEAD_BYTES = 65_536


@dataclass(frozen=True)
class Incoming:
    """One upload, its bytes not yet read."""

    content_type: str
    cache_control: str
    user_metadata: dict[str, Any] | None
    content: AsyncIterator[bytes]


async def create(storage: Storage, request: Request) -> Response:
    """`POST`: a new object, or with `x-upsert: true` also a new version of one."""
    return await _upload(storage, request, upsert=wants_upsert(request))


async def update(storage: Storage, request: Request) -> Response:
    """`PUT`: a new version, or a new object."""
    return await _upload(storage, request, upsert=True)


async def with_signed_url(storage: Storage, request: Request) -> Response:
    """`PUT` to a signed upload URL: the signer's rights were checked when it was signed."""
    bucket, name = request.path_params["bucket"], valid_name(request.path_params["name"])
    claims = storage.context.keys.verify_url("upload", request.query_params.get("token", ""))
    if claims.get("url") != f"{bucket}/{name}":
        raise invalid_jwt("invalid signature")
    incoming = await _incoming(request)
    new = _new_object(bucket, name, claims.get("owner"), incoming)
    await _store(storage, {"role": "service_role"}, new, incoming, upsert=bool(claims.get("upsert")))
    return JSONResponse({"Key": f"{bucket}/{name}"})


def wants_upsert(request: Request) -> bool:
    return request.headers.get("x-upsert", "").lower() == "true"


async def _upload(storage: Storage, request: Request, *, upsert: bool) -> Response:
    claims = storage.caller(request)
    bucket, name = request.path_params["bucket"], valid_name(request.path_params["name"])
    incoming = await _incoming(request)
    new = _new_object(bucket, name, claims.get("sub"), incoming)
    object_id = await _store(storage, claims, new, incoming, upsert=upsert, declared=_declared_size(request))
    return JSONResponse({"Key": f"{bucket}/{name}", "Id": str(object_id)})


async def _store(
    storage: Storage,
    claims: Mapping[str, Any],
    new: objects.NewObject,
    incoming: Incoming,
    *,
    upsert: bool,
    declared: int = 0,
) -> UUID:
    bucket = await objects.find_bucket(storage, new.bucket)
    _check_type(new.content_type, bucket["allowed_mime_types"])
    limit = min(bucket["file_size_limit"] or MAX_OBJECT_BYTES, MAX_OBJECT_BYTES)
    if declared > limit:
        raise too_large()
    await may_write(storage, claims, new, upsert=upsert)
    written = await storage.files.write(_limited(incoming.content, limit))
    return await publish(storage, claims, new, written, upsert=upsert)


async def _limited(content: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in content:
        size += len(chunk)
        if size > limit:
            raise too_large()
        yield chunk


async def _incoming(request: Request) -> Incoming:
    content_type = request.headers.get("content-type", "application/octet-stream")
    if content_type.startswith("multipart/form-data"):
        form = await read_form(content_type, request.stream())
        seconds = form.fields.get("cacheControl", "")
        return Incoming(
            form.content_type,
            f"max-age={seconds}" if seconds else "no-cache",
            _user_metadata(form.fields.get("metadata")),
            form.content,
        )
    encoded = request.headers.get("x-metadata")
    return Incoming(
        content_type,
        request.headers.get("cache-control") or "no-cache",
        _user_metadata(_from_base64(encoded) if encoded else None),
        request.stream(),
    )


def _declared_size(request: Request) -> int:
    size = int(request.headers.get("content-length") or 0)
    form = request.headers.get("content-type", "").startswith("multipart/form-data")
    return size - FORM_OVERHEAD_BYTES if form else size


def _new_object(bucket: str, name: str, owner: str | None, incoming: Incoming) -> objects.NewObject:
    return objects.NewObject(bucket, name, owner, incoming.content_type, incoming.cache_control, incoming.user_metadata)


def _check_type(content_type: str, allowed: list[str] | None) -> None:
    mime_type = content_type.partition(";")[0].strip().lower()
    group = mime_type.partition("/")[0]
    if allowed and not {mime_type, f"{group}/*", "*/*", "*"} & set(allowed):
        raise wrong_type(content_type)


def _user_metadata(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise invalid_request("metadata is not JSON") from error
    if content is not None and not isinstance(content, dict):
        raise invalid_request("metadata is not an object")
    return content


def _from_base64(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise invalid_request("x-metadata is not base64") from error
