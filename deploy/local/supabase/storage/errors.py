"""What Storage answers when it refuses: nearly always HTTP 400, with the real status inside."""

from collections.abc import Awaitable, Callable

import asyncpg
import orjson
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from deploy.local.supabase.caller import CallerError
from deploy.local.supabase.keys import TokenError
from deploy.local.supabase.storage.service import Storage

log = structlog.get_logger()
MAX_BODY_BYTES = 1_048_576


class StorageError(Exception):
    """One refusal: `status` goes into the body, `http_status` onto the wire."""

    def __init__(self, status: int, error: str, message: str, code: str, *, http_status: int = 400) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message
        self.code = code
        self.http_status = http_status

    def response(self) -> Response:
        body = {"statusCode": str(self.status), "error": self.error, "message": self.message, "code": self.code}
        return JSONResponse(body, self.http_status)


def no_such_key() -> StorageError:
    return StorageError(404, "not_found", "Object not found", "NoSuchKey")


def no_such_bucket() -> StorageError:
    return StorageError(404, "Bucket not found", "Bucket not found", "NoSuchBucket")


def already_exists() -> StorageError:
    return StorageError(409, "Duplicate", "The resource already exists", "ResourceAlreadyExists")


def too_large() -> StorageError:
    message = "The object exceeded the maximum allowed size"
    return StorageError(413, "Payload too large", message, "EntityTooLarge")


def wrong_type(mime_type: str) -> StorageError:
    return StorageError(415, "invalid_mime_type", f"mime type {mime_type} is not supported", "InvalidMimeType")


def invalid_key(name: str) -> StorageError:
    return StorageError(400, "InvalidKey", f"Invalid key: {name}", "InvalidKey")


def invalid_request(message: str) -> StorageError:
    return StorageError(400, "invalid_request", message, "InvalidRequest")


def access_denied(message: str) -> StorageError:
    return StorageError(403, "Unauthorized", message, "AccessDenied")


def invalid_jwt(message: str) -> StorageError:
    return StorageError(400, "InvalidJWT", message, "InvalidJWT")


Handler = Callable[[Storage, Request], Awaitable[Response]]


def endpoint(storage: Storage, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """The handler with its refusals, and those of row level security, turned into answers."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(storage, request)
        except StorageError as error:
            return error.response()
        except ClientDisconnect:
            return Response(status_code=499)  # nobody reads it
        except asyncpg.CharacterNotInRepertoireError:  # a NUL
            return invalid_key("it holds what no text may hold").response()
        except (CallerError, TokenError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            return _refusal(error, request.url.path).response()

    return answer


def _refusal(error: Exception, path: str) -> StorageError:
    match error:
        case CallerError(by_gateway=True):
            return StorageError(401, "Unauthorized", error.message, "AccessDenied", http_status=401)
        case CallerError():
            return access_denied(error.message)
        case TokenError():
            return invalid_jwt(str(error))
        case asyncpg.InsufficientPrivilegeError():
            return access_denied(str(error))
        case asyncpg.UniqueViolationError():
            return already_exists()
        case _:
            log.warning("storage_failed", path=path, error_type=type(error).__name__, error=str(error))
            message = "The request could not be completed"
            return StorageError(500, "InternalError", message, "InternalError", http_status=500)


async def body_of(request: Request) -> dict[str, object]:
    """The JSON object sent; an empty body is an empty object. Raises `StorageError`."""
    if int(request.headers.get("content-length") or 0) > MAX_BODY_BYTES:
        raise too_large()
    raw = await request.body()
    try:
        content = orjson.loads(raw) if raw else {}
    except orjson.JSONDecodeError as error:
        raise invalid_request("body is not JSON") from error
    if not isinstance(content, dict):
        raise invalid_request("body must be object")
    return content


def text(body: dict[str, object], name: str) -> str:
    """A string field. Raises `StorageError` when it is missing or something else."""
    value = body.get(name)
    if not isinstance(value, str):
        raise invalid_request(f"body must have required property '{name}'")
    return value
