"""The routes and what each promises.

Handlers get the request as it is and read it themselves, so that each costs little more than a bare route; FastAPI
writes the document from what is declared here.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from producers.intake import documentation as doc
from producers.intake.errors import as_problem, problem_response
from producers.intake.health import healthz, readyz
from producers.intake.own import cancel_generation, delete_generation, get_generation, list_generations
from producers.intake.submission import analyze_face, process_image
from schemas.http import GenerationBody, GenerationPage, Health, Readiness

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_USER = ("unauthenticated", "unavailable")
_SUBMISSION = (
    *_USER,
    "malformed_body",
    "insufficient_credits",
    "plan_required",
    "forbidden_path",
    "source_not_found",
    "tool_unavailable",
    "not_found",
    "body_timeout",
    "body_too_large",
    "source_too_large",
    "source_type_unsupported",
    "unsupported_media_type",
    "invalid_parameters",
    "daily_limit",
    "too_many_in_flight",
)


class DirectRoute(APIRoute):
    """A route whose handler is given the request and whose errors become problems."""

    def get_route_handler(self) -> Handler:
        """The endpoint itself, with a net under it."""
        endpoint: Handler = self.endpoint

        async def handle(request: Request) -> Response:
            try:
                return await endpoint(request)
            except Exception as error:
                return problem_response(as_problem(error))

        return handle


def add_routes(app: FastAPI) -> None:
    """Add all routes to the application."""
    app.router.route_class = DirectRoute

    def add(method: str, path: str, endpoint: Handler, answer: Any, *problems: str, **options: Any) -> None:
        responses = options.pop("responses", {})
        app.add_api_route(
            path,
            endpoint,
            methods=[method],
            response_model=answer,
            operation_id=endpoint.__name__,
            responses={**responses, **doc.problem_responses(*problems)},
            **options,
        )

    for path, endpoint, request_body in (
        ("/v1/process-image", process_image, doc.PROCESS_IMAGE),
        ("/v1/analyze-face", analyze_face, doc.ANALYZE_FACE),
    ):
        add(
            "POST", path, endpoint, GenerationBody, *_SUBMISSION,
            response_description="The result: cached, or finished while waiting.",
            responses={200: doc.DONE, 202: doc.ACCEPTED},
            openapi_extra={"security": doc.SECURITY, "parameters": [doc.PREFER], "requestBody": request_body},
        )  # fmt: skip
    one = {"security": doc.SECURITY, "parameters": [doc.GENERATION_ID]}
    page = {"security": doc.SECURITY, "parameters": doc.PAGING}
    add("GET", "/v1/generations", list_generations, GenerationPage, *_USER, "invalid_parameters", openapi_extra=page)
    add("GET", "/v1/generations/{id}", get_generation, GenerationBody, *_USER, "not_found", openapi_extra=one)
    add(
        "DELETE", "/v1/generations/{id}", delete_generation, None, *_USER, "not_found", "not_finished",
        status_code=204, openapi_extra=one,
    )  # fmt: skip
    add(
        "POST", "/v1/generations/{id}/cancel", cancel_generation, GenerationBody, *_USER, "not_found", "not_cancelable",
        openapi_extra=one,
    )  # fmt: skip
    add("GET", "/healthz", healthz, Health)
    add("GET", "/readyz", readyz, Readiness, "unavailable")
