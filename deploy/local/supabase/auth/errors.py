"""What Auth answers when it refuses: an HTTP status, a stable code, a sentence."""

from collections.abc import Awaitable, Callable

import asyncpg
import orjson
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.local.supabase.auth.service import Auth
from deploy.local.supabase.caller import CallerError

log = structlog.get_logger()
MAX_BODY_BYTES = 1_048_576


class AuthError(Exception):
    """One refusal. `extra` goes into the body beside code and message."""

    def __init__(self, status: int, code: str, message: str, **extra: object) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.extra = extra

    def response(self) -> Response:
        body = {"code": self.status, "error_code": self.code, "msg": self.message, **self.extra}
        return JSONResponse(body, self.status)


def invalid(message: str) -> AuthError:
    """A request that is malformed in itself."""
    return AuthError(400, "validation_failed", message)


Handler = Callable[[Auth, Request], Awaitable[Response]]


def endpoint(auth: Auth, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """The handler with its refusals turned into answers; anything else is a 500 without details."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(auth, request)
        except AuthError as error:
            return error.response()
        except CallerError as error:
            if error.by_gateway:
                return JSONResponse({"message": error.message, "hint": "Send a valid `apikey` header."}, 401)
            return AuthError(403, "bad_jwt", f"invalid JWT: {error.message}").response()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            log.warning("auth_failed", path=request.url.path, error_type=type(error).__name__, error=str(error))
            return AuthError(500, "unexpected_failure", "The request could not be completed").response()

    return answer


async def body_of(request: Request) -> dict[str, object]:
    """The JSON object sent; an empty body is an empty object. Raises `AuthError`."""
    if int(request.headers.get("content-length") or 0) > MAX_BODY_BYTES:
        raise AuthError(413, "validation_failed", "Request body too large")
    raw = await request.body()
    try:
        content = orjson.loads(raw) if raw else {}
    except orjson.JSONDecodeError as error:
        raise AuthError(400, "bad_json", "Could not parse request body as JSON") from error
    if not isinstance(content, dict):
        raise AuthError(400, "bad_json", "Request body is not a JSON object")
    return content


def text(body: dict[str, object], name: str) -> str:
    """A string field; empty when absent. Raises `AuthError` for another type."""
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise AuthError(400, "bad_json", f"{name} is not a string")
    return value
