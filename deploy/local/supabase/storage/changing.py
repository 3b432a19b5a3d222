"""Removing, moving and copying objects, under the caller's policies."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.local.supabase.storage import objects
from deploy.local.supabase.storage.errors import body_of, invalid_request, no_such_key, text
from deploy.local.supabase.storage.files import Written
from deploy.local.supabase.storage.names import valid_name
from deploy.local.supabase.storage.publish import publish
from deploy.local.supabase.storage.service import Storage
from deploy.local.supabase.storage.upload import wants_upsert

MAX_PATHS = 1000


async def remove(storage: Storage, request: Request) -> Response:
    """The rows removed; a name that is missing or not the caller's to delete is no error."""
    claims, body = storage.caller(request), await body_of(request)
    names = body.get("prefixes")
    if not isinstance(names, list) or not 1 <= len(names) <= MAX_PATHS or not all(isinstance(n, str) for n in names):
        raise invalid_request(f"body/prefixes must be a list of 1 to {MAX_PATHS} strings")
    async with storage.context.as_caller(claims) as connection:
        gone = await objects.delete(connection, request.path_params["bucket"], names)
    for row in gone:
        await storage.files.remove(row["version"])
    return JSONResponse(gone)


async def remove_one(storage: Storage, request: Request) -> Response:
    """Like `remove`, but a name that is not there is an error."""
    claims = storage.caller(request)
    async with storage.context.as_caller(claims) as connection:
        gone = await objects.delete(connection, request.path_params["bucket"], [request.path_params["name"]])
    if not gone:
        raise no_such_key()
    await storage.files.remove(gone[0]["version"])
    return JSONResponse({"message": "Successfully deleted"})


async def move(storage: Storage, request: Request) -> Response:
    """Another name for the same bytes. Nothing is overwritten."""
    claims, body = storage.caller(request), await body_of(request)
    bucket, source, target_bucket, target = _names(body)
    await objects.find_bucket(storage, target_bucket)
    async with storage.context.as_caller(claims) as connection:
        await objects.find(connection, bucket, source)
        moved = await connection.execute(
            "update storage.objects set bucket_id = $3, name = $4 where bucket_id = $1 and name = $2",
            bucket,
            source,
            target_bucket,
            target,
        )
        if moved == "UPDATE 0":
            raise no_such_key()
    return JSONResponse({"message": "Successfully moved"})


async def copy(storage: Storage, request: Request) -> Response:
    """A new object of the caller's, with the bytes and metadata of one that the caller may select."""
    claims, body = storage.caller(request), await body_of(request)
    bucket, source, target_bucket, target = _names(body)
    await objects.find_bucket(storage, target_bucket)
    async with storage.context.as_caller(claims, read_only=True) as connection:
        row = await objects.find(connection, bucket, source)
    metadata = objects.metadata_of(row)
    new = objects.NewObject(
        target_bucket,
        target,
        claims.get("sub"),
        metadata.get("mimetype", "application/octet-stream"),
        metadata.get("cacheControl", "no-cache"),
        objects.user_metadata_of(row),
    )
    try:
        version = await storage.files.copy(row["version"])
    except FileNotFoundError as error:
        raise no_such_key() from error
    written = Written(version, metadata.get("size", 0), metadata.get("eTag", "").strip('"'))
    object_id = await publish(storage, claims, new, written, upsert=wants_upsert(request))
    return JSONResponse({"Key": f"{target_bucket}/{target}", "Id": str(object_id)})


def _names(body: dict[str, object]) -> tuple[str, str, str, str]:
    bucket = text(body, "bucketId")
    target_bucket = text(body, "destinationBucket") if body.get("destinationBucket") else bucket
    return bucket, text(body, "sourceKey"), target_bucket, valid_name(text(body, "destinationKey"))
