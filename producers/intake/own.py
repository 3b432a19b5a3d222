"""A user's own generations: look, list, cancel, delete. Those of others are as if they did not exist."""

from uuid import UUID

import structlog
from starlette.requests import Request
from starlette.responses import Response

from producers.intake.answers import json_response
from producers.intake.bodies import bodies_of, body_of
from producers.intake.services import services_of
from schemas.http import GenerationPage
from schemas.problems import ProblemError
from schemas.tools import InvalidParametersError

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


async def get_generation(request: Request) -> Response:
    """One generation, with its approximate place in the queue while it is queued."""
    services = services_of(request)
    user_id = await services.authenticator.user_id(request)
    row = await services.generations.get(_id(request), user_id)
    if row is None:
        raise ProblemError("not_found")
    return json_response(await body_of(services, row))


async def list_generations(request: Request) -> Response:
    """A page of generations, newest first."""
    services = services_of(request)
    user_id = await services.authenticator.user_id(request)
    limit, before = _limit(request.query_params.get("limit")), _before(request.query_params.get("before"))
    rows = await services.generations.page(user_id, limit, before)
    bodies = await bodies_of(services, rows)
    return json_response(
        GenerationPage.model_construct(generations=bodies, next=bodies[-1].id if len(bodies) == limit else None)
    )


async def cancel_generation(request: Request) -> Response:
    """Cancel a generation while it is queued; nothing is charged."""
    services = services_of(request)
    user_id = await services.authenticator.user_id(request)
    row = await services.generations.cancel(_id(request), user_id)
    if row["outcome"] != "canceled":
        raise ProblemError(row["outcome"])
    return json_response(await body_of(services, row))


async def delete_generation(request: Request) -> Response:
    """Delete a finished generation: its picture and its row go, what it cost stays in the ledger."""
    services = services_of(request)
    user_id = await services.authenticator.user_id(request)
    row = await services.generations.delete(_id(request), user_id)
    if row["outcome"] != "deleted":
        raise ProblemError(row["outcome"])
    if row["object_name"] is not None:
        await services.pictures.remove(row["object_name"])
    return Response(status_code=204)


def _id(request: Request) -> UUID:
    """The id in the path; what is no id belongs to no generation."""
    try:
        generation_id = UUID(request.path_params["id"])
    except ValueError:
        raise ProblemError("not_found") from None
    structlog.contextvars.bind_contextvars(generation_id=str(generation_id))
    return generation_id


def _limit(value: str | None) -> int:
    if value is None:
        return DEFAULT_LIMIT
    if not value.isascii() or not value.isdigit() or len(value) > 3 or not 1 <= int(value) <= MAX_LIMIT:
        raise InvalidParametersError([("limit", f"must be a whole number from 1 to {MAX_LIMIT}")])
    return int(value)


def _before(value: str | None) -> UUID | None:
    try:
        return None if value is None else UUID(value)
    except ValueError:
        raise InvalidParametersError([("before", "must be a generation's id")]) from None
