"""Edge Functions: the two that the product has, each a call of one route of the intake.

They do what `deploy/supabase/functions` does on hosted Supabase: the intake's answer goes back as it is, finished where
it finishes in time. When the intake gives no answer the client gets a `FunctionsRelayError` and may repeat the call: an
equal request finds the one that runs.
"""

import re
import secrets

import httpx
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from schemas.problems import MEDIA_TYPE, ProblemError

log = structlog.get_logger()

FORWARDED = {"process-image": "/v1/process-image", "analyze-face": "/v1/analyze-face"}
WAIT_SECONDS = 55
CONNECT_SECONDS = 5.0
DEADLINE_SECONDS = 90.0
RETRY_SECONDS = 2
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PASSED_BACK = ("content-type", "cache-control", "preference-applied", "retry-after", "www-authenticate", "allow")
SANE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class Functions:
    """Forwards to the intake at this address; `None`: there is no intake, so nothing can be reached."""

    def __init__(self, intake_url: str | None) -> None:
        timeout = httpx.Timeout(DEADLINE_SECONDS, connect=CONNECT_SECONDS)
        self._client = httpx.AsyncClient(base_url=intake_url or "", timeout=timeout, trust_env=False)

    async def __aenter__(self) -> "Functions":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    def routes(self) -> list[BaseRoute]:
        """Everything below `/functions/v1`."""
        return [
            Route("/functions/v1/{name}", self._invoke, methods=METHODS),
            Route("/functions/v1/{path:path}", _not_found, methods=METHODS),
        ]

    async def _invoke(self, request: Request) -> Response:
        path = FORWARDED.get(request.path_params["name"])
        if path is None:
            return await _not_found(request)
        given = request.headers.get("x-request-id", "")
        request_id = given if SANE_ID.fullmatch(given) else secrets.token_hex(16)
        # Apps that made the JSON text themselves send it as plain text.
        headers = {
            "content-type": "application/json",
            "prefer": request.headers.get("prefer", f"wait={WAIT_SECONDS}"),
            "x-request-id": request_id,
        }
        if "authorization" in request.headers:
            headers["authorization"] = request.headers["authorization"]
        try:
            answer = await self._client.request(request.method, path, content=await request.body(), headers=headers)
        except httpx.TransportError as error:
            log.warning("intake_unavailable", request_id=request_id, error=type(error).__name__)
            return _unavailable(request_id)
        kept = {name: answer.headers[name] for name in PASSED_BACK if name in answer.headers}
        return Response(answer.content, answer.status_code, {**kept, "x-request-id": request_id})


def _unavailable(request_id: str) -> Response:
    """The header is what makes it a `FunctionsRelayError` in the clients."""
    problem = ProblemError("unavailable", "The intake gave no answer.", retry_after=RETRY_SECONDS)
    headers = {**problem.headers, "x-relay-error": "true", "x-request-id": request_id}
    return Response(problem.body(request_id), 503, headers, media_type=MEDIA_TYPE)


async def _not_found(_: Request) -> Response:
    return JSONResponse({"code": "NOT_FOUND", "message": "Requested function was not found"}, 404)
