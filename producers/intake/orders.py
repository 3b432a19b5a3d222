"""`GET /v1/orders/{id}`: what has become of a purchase."""

from uuid import UUID

import structlog
from starlette.requests import Request
from starlette.responses import Response

from producers.intake.answers import json_response
from producers.intake.services import services_of
from schemas.orders import OrderBody
from schemas.problems import ProblemError


async def get_order(request: Request) -> Response:
    """One order. Those of others are as if they did not exist."""
    services = services_of(request)
    user_id = await services.authenticator.user_id(request)
    try:
        order_id = UUID(request.path_params["id"])
    except ValueError:
        raise ProblemError("not_found") from None
    structlog.contextvars.bind_contextvars(order_id=str(order_id))
    row = await services.purchases.order(order_id, user_id)
    if row is None:
        raise ProblemError("not_found")
    return json_response(OrderBody.from_row(row))
