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
from producers.intake.account import delete_account, export_account
from producers.intake.checkout import checkout
from producers.intake.errors import as_problem, problem_response
from producers.intake.health import healthz, readyz
from producers.intake.orders import get_order
from producers.intake.own import cancel_generation, delete_generation, get_generation, list_generations
from producers.intake.submission import analyze_face, process_image
from producers.paymob.redirect import paymob_redirect
from producers.paymob.webhook import paymob_callback
from schemas.account import AccountDeletion, AccountExport
from schemas.http import GenerationBody, GenerationPage, Health, Readiness
from schemas.orders import CallbackTaken, CheckoutBody, OrderBody

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_USER = ("unauthenticated", "unavailable")
_SUBMISSION = (
    *_USER,
    "account_deleted",
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
_CHECKOUT = (
    *_USER,
    "account_deleted",
    "malformed_body",
    "not_for_sale",
    "body_timeout",
    "idempotency_conflict",
    "body_too_large",
    "unsupported_media_type",
    "invalid_parameters",
    "payments_unavailable",
)
_CALLBACK = ("malformed_body", "invalid_signature", "not_found", "body_timeout", "body_too_large", "unavailable")


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
    own = {"security": doc.SECURITY}
    add("DELETE", "/v1/account", delete_account, AccountDeletion, *_USER, status_code=202, openapi_extra=own)
    add(
        "GET", "/v1/account/export", export_account, AccountExport, *_USER, "account_deleted", "rate_limited",
        openapi_extra=own,
    )  # fmt: skip
    add(
        "POST", "/v1/checkout", checkout, CheckoutBody, *_CHECKOUT,
        status_code=201, response_description="The order, and where it is paid.",
        responses={201: doc.ORDERED},
        openapi_extra={"security": doc.SECURITY, "parameters": [doc.IDEMPOTENCY_KEY], "requestBody": doc.CHECKOUT},
    )  # fmt: skip
    order = {"security": doc.SECURITY, "parameters": [doc.ORDER_ID]}
    add("GET", "/v1/orders/{id}", get_order, OrderBody, *_USER, "not_found", openapi_extra=order)
    callback = {"parameters": [doc.HMAC], "requestBody": doc.CALLBACK}
    add("POST", "/webhooks/paymob", paymob_callback, CallbackTaken, *_CALLBACK, openapi_extra=callback)
    add(
        "GET", "/webhooks/paymob", paymob_redirect, None, "not_found",
        response_class=Response, responses=doc.RETURNED,
    )  # fmt: skip
    add("GET", "/healthz", healthz, Health)
    add("GET", "/readyz", readyz, Readiness, "unavailable")
