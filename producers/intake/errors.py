"""From an exception to the answer: each becomes a problem with a stable code, none shows its insides."""

import asyncpg
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match

from schemas.paths import ForbiddenPathError
from schemas.problems import MEDIA_TYPE, ProblemError
from schemas.tools import InvalidParametersError, UnknownToolError

log = structlog.get_logger()

# Postgres cannot be reached, is starting or stopping, is full, or is a standby after a failover. Nothing was changed,
# or the client finds what was when it asks again.
_DATABASE_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server ended the connection just as it was taken into use
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TransactionRollbackError,
    asyncpg.InvalidAuthorizationSpecificationError,
)


def as_problem(error: Exception) -> ProblemError:
    """The problem that an exception is to the client; what is not foreseen is logged whole and called `internal`."""
    match error:
        case ProblemError():
            problem = error
        case InvalidParametersError():
            problem = ProblemError("invalid_parameters", errors=error.errors)
        case UnknownToolError():
            problem = ProblemError("tool_unavailable")
        case ForbiddenPathError():
            problem = ProblemError("forbidden_path")
        case ClientDisconnect():
            problem = ProblemError("malformed_body", "The connection ended before the body did.")
        case _ if isinstance(error, _DATABASE_AWAY):
            log.warning("database_unavailable", error=type(error).__name__)
            problem = ProblemError("unavailable", retry_after=2)
        case _:
            log.error("request_failed", error=type(error).__name__, exc_info=error)
            problem = ProblemError("internal")
    return problem


def problem_response(problem: ProblemError) -> Response:
    """The problem as an answer, with the request's id inside."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return Response(
        problem.body(request_id), status_code=problem.type.status, headers=problem.headers, media_type=MEDIA_TYPE
    )


async def on_http_exception(request: Request, error: Exception) -> Response:
    """What the router itself refuses: no such route, or not with this method."""
    if isinstance(error, HTTPException) and error.status_code == 405:
        return problem_response(ProblemError("method_not_allowed", headers={"Allow": _allowed(request)}))
    return problem_response(ProblemError("not_found"))


def _allowed(request: Request) -> str:
    """Every method of the path: the router by itself names only those of the first route that matches."""
    methods: set[str] = set()
    for route in request.app.router.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return ", ".join(sorted(methods))
