"""Buckets, under the caller's policies on `storage.buckets`: in effect, for the secret key."""

import re
from typing import Any

import asyncpg
import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.local.supabase.storage import objects
from deploy.local.supabase.storage.errors import (
    StorageError,
    body_of,
    invalid_request,
    no_such_bucket,
)
from deploy.local.supabase.storage.names import valid_bucket
from deploy.local.supabase.storage.service import Storage

COLUMNS = (
    "json_build_object('id', id, 'name', name, 'owner', coalesce(owner_id, ''), 'public', public,"
    " 'file_size_limit', file_size_limit, 'allowed_mime_types', allowed_mime_types, 'type', 'STANDARD',"
    " 'created_at', created_at, 'updated_at', updated_at)::text"
)
SIZE = re.compile(r"(\d+)\s*([kmg]i?b|b)?", re.ASCII | re.IGNORECASE)
UNITS = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


async def list_buckets(storage: Storage, request: Request) -> Response:
    async with storage.context.as_caller(storage.caller(request), read_only=True) as connection:
        rows = await connection.fetch(f"select {COLUMNS} as content from storage.buckets order by name")  # noqa: S608
    return JSONResponse([orjson.loads(row["content"]) for row in rows])


async def get_bucket(storage: Storage, request: Request) -> Response:
    async with storage.context.as_caller(storage.caller(request), read_only=True) as connection:
        content = await connection.fetchval(
            f"select {COLUMNS} from storage.buckets where id = $1",  # noqa: S608
            request.path_params["bucket"],
        )
    if content is None:
        raise no_such_bucket()
    return Response(content, media_type="application/json")


async def create_bucket(storage: Storage, request: Request) -> Response:
    claims, body = storage.caller(request), await body_of(request)
    name = valid_bucket(str(body.get("name") or body.get("id") or ""))
    bucket_id = valid_bucket(str(body.get("id") or name))
    async with storage.context.as_caller(claims) as connection:
        await connection.execute(
            "insert into storage.buckets (id, name, owner_id, public, file_size_limit, allowed_mime_types)"
            " values ($1, $2, $3, $4, $5, $6)",
            bucket_id,
            name,
            claims.get("sub"),
            body.get("public") is True,
            _size(body.get("file_size_limit")),
            _types(body.get("allowed_mime_types")),
        )
    return JSONResponse({"name": name})


async def update_bucket(storage: Storage, request: Request) -> Response:
    """Changes what is given and leaves the rest; null lifts a limit."""
    claims, body = storage.caller(request), await body_of(request)
    async with storage.context.as_caller(claims) as connection:
        changed = await connection.execute(
            "update storage.buckets set public = coalesce($2, public), updated_at = now(),"
            " file_size_limit = case when $3 then $4 else file_size_limit end,"
            " allowed_mime_types = case when $5 then $6 else allowed_mime_types end where id = $1",
            request.path_params["bucket"],
            body["public"] is True if "public" in body else None,
            "file_size_limit" in body,
            _size(body.get("file_size_limit")),
            "allowed_mime_types" in body,
            _types(body.get("allowed_mime_types")),
        )
    if changed == "UPDATE 0":
        raise no_such_bucket()
    return JSONResponse({"message": "Successfully updated"})


async def empty_bucket(storage: Storage, request: Request) -> Response:
    """Removes every object that the caller may delete, of a bucket that the caller may select."""
    claims, bucket = storage.caller(request), request.path_params["bucket"]
    async with storage.context.as_caller(claims) as connection:
        if await connection.fetchval("select id from storage.buckets where id = $1", bucket) is None:
            raise no_such_bucket()
        rows = await connection.fetch("select name from storage.objects where bucket_id = $1", bucket)
        gone = await objects.delete(connection, bucket, [row["name"] for row in rows])
    for row in gone:
        await storage.files.remove(row["version"])
    return JSONResponse({"message": "Successfully emptied"})


async def delete_bucket(storage: Storage, request: Request) -> Response:
    """Only an empty one."""
    claims = storage.caller(request)
    try:
        async with storage.context.as_caller(claims) as connection:
            await connection.execute("select set_config('storage.allow_delete_query', 'true', true)")
            deleted = await connection.execute(
                "delete from storage.buckets where id = $1", request.path_params["bucket"]
            )
    except asyncpg.ForeignKeyViolationError as error:
        message = "The bucket you tried to delete is not empty"
        raise StorageError(409, "InvalidRequest", message, "InvalidRequest") from error
    if deleted == "DELETE 0":
        raise no_such_bucket()
    return JSONResponse({"message": "Successfully deleted"})


def _size(value: object) -> int | None:
    """Bytes from a number or a text such as `20MB`."""
    if value is None:
        return None
    match = SIZE.fullmatch(str(value).strip()) if isinstance(value, int | str) else None
    if match is None:
        raise invalid_request("file_size_limit is no size")
    return int(match.group(1)) * UNITS[(match.group(2) or "b").lower()]


def _types(value: Any) -> list[str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) and "/" in item for item in value):
        raise invalid_request("allowed_mime_types must be a list of MIME types")
    return value
