"""Signed URLs: a token that stands for one object, for a while, without a key."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.local.supabase.storage import objects
from deploy.local.supabase.storage.errors import StorageError, body_of, invalid_request
from deploy.local.supabase.storage.names import valid_name
from deploy.local.supabase.storage.publish import may_write
from deploy.local.supabase.storage.service import Storage
from deploy.local.supabase.storage.upload import wants_upsert

UPLOAD_SECONDS = 7200
MAX_SECONDS = 10 * 365 * 86_400
MAX_PATHS = 500
NOT_VISIBLE = "Either the object does not exist or you do not have access to it"


async def sign(storage: Storage, request: Request) -> Response:
    """A download URL for an object that the caller may select."""
    claims, body = storage.caller(request), await body_of(request)
    bucket, name = request.path_params["bucket"], request.path_params["name"]
    seconds = _seconds(body.get("expiresIn"))
    async with storage.context.as_caller(claims, read_only=True) as connection:
        await objects.find(connection, bucket, name)
    return JSONResponse({"signedURL": _url(storage, bucket, name, seconds)})


async def sign_many(storage: Storage, request: Request) -> Response:
    """Download URLs for those of the paths that the caller may select, and an error for each other."""
    claims, body = storage.caller(request), await body_of(request)
    bucket, seconds, paths = request.path_params["bucket"], _seconds(body.get("expiresIn")), body.get("paths")
    if not isinstance(paths, list) or len(paths) > MAX_PATHS or not all(isinstance(path, str) for path in paths):
        raise invalid_request(f"body/paths must be a list of at most {MAX_PATHS} strings")
    async with storage.context.as_caller(claims, read_only=True) as connection:
        rows = await connection.fetch(
            "select name from storage.objects where bucket_id = $1 and name = any($2::text[])", bucket, paths
        )
    visible = {row["name"] for row in rows}
    return JSONResponse(
        [
            {"error": None, "path": path, "signedURL": _url(storage, bucket, path, seconds)}
            if path in visible
            else {"error": NOT_VISIBLE, "path": path, "signedURL": None}
            for path in paths
        ]
    )


async def sign_upload(storage: Storage, request: Request) -> Response:
    """An upload URL for a name that the caller may write."""
    claims = storage.caller(request)
    bucket, name = request.path_params["bucket"], valid_name(request.path_params["name"])
    await objects.find_bucket(storage, bucket)
    upsert = wants_upsert(request)
    owner = claims.get("sub")
    new = objects.NewObject(bucket, name, owner, "application/octet-stream", "no-cache", None)
    await may_write(storage, claims, new, upsert=upsert)
    payload = {"url": f"{bucket}/{name}", "owner": owner, "upsert": upsert}
    token = storage.context.keys.sign_url("upload", payload, UPLOAD_SECONDS)
    return JSONResponse({"url": f"/object/upload/sign/{bucket}/{name}?token={token}", "token": token})


# Paths stand in these answers as they are: the clients escape them.
def _url(storage: Storage, bucket: str, name: str, seconds: int) -> str:
    token = storage.context.keys.sign_url("download", {"url": f"{bucket}/{name}"}, seconds)
    return f"/object/sign/{bucket}/{name}?token={token}"


def _seconds(value: object) -> int:
    # supabase-py sends the number as text.
    try:
        seconds = int(value) if isinstance(value, int | str) and not isinstance(value, bool) else 0
    except ValueError:
        seconds = 0
    if not 1 <= seconds <= MAX_SECONDS:
        raise StorageError(400, "invalid_request", "body/expiresIn must be a positive number", "InvalidRequest")
    return seconds
