"""`POST /v1/process-image` and `POST /v1/analyze-face`: check, one SQL call, one Redis call, answer.

Everything that can be checked without the database is checked first, so that a bad request costs it nothing. The row is
the promise: once it is written the answer is 202, whether Redis was told or not, for the sweep enqueues what is due.
"""

import asyncio
from typing import TypeVar

import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from producers.intake.answers import json_response
from producers.intake.bodies import body_of
from producers.intake.body import read_object
from producers.intake.generations import Submission
from producers.intake.prefer import wait_seconds
from producers.intake.refusals import no_account
from producers.intake.services import Services, services_of
from schemas.http import AnalyzeFaceRequest, ProcessImageRequest, RequestBody
from schemas.paths import own_object_name
from schemas.problems import ProblemError
from schemas.queue import QueuedJob, enqueue
from schemas.tools import ANALYSIS, PICTURE_TOOLS, InvalidParametersError, UnknownToolError, faults, parse_parameters

log = structlog.get_logger()

ENQUEUE_SECONDS = 0.5
_DEFAULT_RETRY_SECONDS = 5

Body = TypeVar("Body", bound=RequestBody)


async def process_image(request: Request) -> Response:
    """Edit a photo with one of the picture tools."""
    services = services_of(request)
    user_id = await services.authenticator.user_id(request)
    body = await _body(request, ProcessImageRequest)
    if body.tool_id not in PICTURE_TOOLS:
        raise UnknownToolError
    return await _submit(
        request,
        Submission(
            user_id,
            body.tool_id,
            parse_parameters(body.tool_id, body.tool_parameters),
            own_object_name(body.original_image_storage_path, user_id),
            services.settings.gemini_image_model,
            services.settings.source_max_bytes,
        ),
    )


async def analyze_face(request: Request) -> Response:
    """Analyse the face in a photo."""
    services = services_of(request)
    user_id = await services.authenticator.user_id(request)
    body = await _body(request, AnalyzeFaceRequest)
    return await _submit(
        request,
        Submission(
            user_id,
            ANALYSIS,
            {},
            own_object_name(body.original_image_storage_path, user_id),
            services.settings.gemini_analysis_model,
            services.settings.source_max_bytes,
        ),
    )


async def _body(request: Request, model: type[Body]) -> Body:
    raw = await read_object(request, services_of(request).settings.intake_max_body_bytes)
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise InvalidParametersError(faults(error)) from None


async def _submit(request: Request, order: Submission) -> Response:
    services = services_of(request)
    row = await services.generations.submit(order)
    outcome = row["outcome"]
    if outcome not in ("cached", "in_flight", "queued"):
        raise _refusal(outcome, row["retry_after"])
    body = await body_of(services, row, cached=outcome == "cached")
    structlog.contextvars.bind_contextvars(generation_id=str(body.id))
    if outcome == "queued":
        await _wake(services, QueuedJob(row["cache_key"], body.id, None, row["lane"]))
    headers = {}
    seconds = wait_seconds(request.headers.getlist("prefer"))
    if seconds is not None and not body.finished:
        await services.finishes.wait(body.id, seconds, request.receive)
        headers["Preference-Applied"] = f"wait={seconds}"
        now = await services.generations.get(body.id, order.user_id)
        if now is None:
            raise ProblemError("not_found")
        body = await body_of(services, now)
    if body.finished:
        return json_response(body, headers=headers)
    return json_response(body, 202, {**headers, "Location": f"/v1/generations/{body.id}"})


async def _wake(services: Services, job: QueuedJob) -> None:
    """Tell the workers. Never raises and never takes long: Redis is only the quicker way."""
    try:
        async with asyncio.timeout(ENQUEUE_SECONDS):
            await enqueue(services.queue, [job])
    except (RedisError, OSError, TimeoutError) as error:
        log.warning("enqueue_left_to_sweep", generation_id=str(job.generation_id), error=type(error).__name__)


def _refusal(outcome: str, retry_after: int | None) -> ProblemError:
    match outcome:
        case "invalid_parameters":
            return ProblemError(outcome, errors=[("style", "is not an id of the catalogue")])
        case "account_deleted" | "account_not_found":
            return no_account(outcome)
        case "daily_limit" | "too_many_in_flight":
            return ProblemError(outcome, retry_after=retry_after or _DEFAULT_RETRY_SECONDS)
        case _:
            return ProblemError(outcome)
