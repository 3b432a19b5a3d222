"""What REST answers when it or Postgres refuses: `{code, message, details, hint}`, in PostgREST's codes."""

from collections.abc import Awaitable, Callable

import asyncpg
import orjson
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.local.supabase.caller import CallerError, resolve
from deploy.local.supabase.context import Context

log = structlog.get_logger()
MAX_BODY_BYTES = 8_388_608

# HTTP status by SQLSTATE, or by its first two characters. What is not here is the client's doing: 400.
STATUS = {
    "08": 503,
    "09": 500,
    "0L": 403,
    "0P": 403,
    "21": 400,
    "22": 400,
    "23503": 409,
    "23505": 409,
    "25006": 405,
    "25": 500,
    "28": 403,
    "2D": 500,
    "38": 500,
    "39": 500,
    "3B": 500,
    "40": 500,
    "42883": 404,
    "42P01": 404,
    "42P17": 500,
    "53": 503,
    "54": 413,
    "55": 500,
    "57": 500,
    "58": 500,
    "F0": 500,
    "HV": 500,
    "P0001": 400,
    "P0": 500,
    "XX": 500,
}


class RestError(Exception):
    """One refusal of our own."""

    def __init__(
        self, status: int, code: str, message: str, *, details: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message, "details": details, "hint": hint}


def bad_request(message: str, details: str | None = None) -> RestError:
    """A query string or body that cannot be understood."""
    return RestError(400, "PGRST100", message, details=details)


def unsupported(what: str) -> RestError:
    """Good PostgREST that this stand-in does not speak."""
    return RestError(400, "PGRST100", f"The local stand-in does not support {what}")


def not_single(rows: int) -> RestError:
    message = "Cannot coerce the result to a single JSON object"
    return RestError(406, "PGRST116", message, details=f"The result contains {rows} rows")


Claims = dict[str, object]
Handler = Callable[[Context, Request, Claims], Awaitable[Response]]


def endpoint(context: Context, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """The handler with the caller's claims, and with refusals turned into answers."""

    async def answer(request: Request) -> Response:
        role = "anon"
        try:
            claims = resolve(context.keys, request.headers, request.query_params)
            role = claims["role"]
            return await handler(context, request, claims)
        except RestError as error:
            return JSONResponse(error.body, error.status)
        except CallerError as error:
            if error.by_gateway:
                return JSONResponse({"message": error.message, "hint": "Send a valid `apikey` header."}, 401)
            code = "PGRST303" if error.expired else "PGRST301"
            return JSONResponse({"code": code, "message": error.message, "details": None, "hint": None}, 401)
        except asyncpg.PostgresError as error:
            return _database_error(error, role)
        except (asyncpg.InterfaceError, OSError) as error:
            log.warning("rest_database_away", error_type=type(error).__name__)
            message = "Could not query the database. Retry later."
            return JSONResponse({"code": "PGRST002", "message": message, "details": None, "hint": None}, 503)

    return answer


async def json_body(request: Request) -> object:
    """The JSON sent. Raises `RestError`."""
    if int(request.headers.get("content-length") or 0) > MAX_BODY_BYTES:
        raise RestError(413, "PGRST102", "Request body too large")
    raw = await request.body()
    try:
        return orjson.loads(raw) if raw else {}
    except orjson.JSONDecodeError as error:
        raise RestError(400, "PGRST102", "Empty or invalid json") from error


def _database_error(error: asyncpg.PostgresError, role: str) -> Response:
    state = error.sqlstate or "XX000"
    status = STATUS.get(state) or STATUS.get(state[:2], 400)
    if state == "42501":
        status = 401 if role == "anon" else 403
    if status >= 500:
        log.warning("rest_failed", sqlstate=state, error=str(error))
    body = {
        "code": state,
        "message": error.message,
        "details": error.detail,
        "hint": error.hint,
    }
    return JSONResponse(body, status)
