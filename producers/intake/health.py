"""Is the process alive, and can it take requests."""

import asyncio

from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from producers.intake.answers import json_response
from producers.intake.services import services_of
from schemas.http import Health, Readiness
from schemas.problems import ProblemError

CHECK_SECONDS = 2.0


async def healthz(_: Request) -> Response:
    """The process answers."""
    return json_response(Health(status="ok"))


async def readyz(request: Request) -> Response:
    """Postgres answers. Redis is reported and not required: without it work starts a little later."""
    services = services_of(request)
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await services.generations.ping()
    except Exception:
        raise ProblemError("unavailable", "Postgres does not answer.", retry_after=2) from None
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await services.queue.ping()
    except (RedisError, OSError, TimeoutError):
        return json_response(Readiness(status="ok", postgres="ok", redis="away"))
    return json_response(Readiness(status="ok", postgres="ok", redis="ok"))
