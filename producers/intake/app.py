"""The intake as an ASGI application: middleware, routes, and what lives as long as the process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from producers.intake.documentation import document
from producers.intake.envelope import Envelope
from producers.intake.errors import on_http_exception
from producers.intake.routes import add_routes
from producers.intake.services import open_services
from schemas.settings import Settings

_EXPOSED = ("Location", "Preference-Applied", "Retry-After", "X-Request-Id")
_ACCEPTED = ("Authorization", "Content-Type", "Idempotency-Key", "Prefer", "X-Request-Id")


def create_app(settings: Settings) -> FastAPI:
    """The application; its lifespan opens the services and closes them."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings) as services:
            app.state.services = services
            yield

    app = FastAPI(
        title="Sparky",
        version="1",
        description="Portraits in, edited portraits and face analyses out. Errors are RFC 9457 problem details.",
        lifespan=lifespan,
        middleware=_middleware(settings),
        exception_handlers={HTTPException: on_http_exception},
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    add_routes(app)
    app.openapi = partial(document, app)  # type: ignore[method-assign]
    return app


def _middleware(settings: Settings) -> list[Middleware]:
    middleware = [Middleware(Envelope)]
    if settings.intake_cors_origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.intake_cors_origins,
                allow_methods=("GET", "POST", "DELETE"),
                allow_headers=_ACCEPTED,
                expose_headers=_EXPOSED,
            )
        )
    return middleware
