"""One Starlette app: Auth, Storage, REST, Realtime, Functions; CORS for browsers, faults for tests, and the outbox."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from deploy.local.supabase import auth, faults, management, rest, storage
from deploy.local.supabase.auth.mail import Outbox
from deploy.local.supabase.context import Context
from deploy.local.supabase.functions import Functions
from deploy.local.supabase.realtime import Realtime

EXPOSED = (
    "content-range",
    "content-length",
    "etag",
    "last-modified",
    "location",
    "preference-applied",
    "retry-after",
    "x-total-count",
    "x-supabase-api-version",
    "x-request-id",
)


def build_app(context: Context, intake_url: str | None = None) -> Starlette:
    """The app of one project. The context must stay open while it runs. Functions forward to the intake."""
    outbox = Outbox(context.outbox_dir)
    ordered = faults.Faults([])
    realtime = Realtime(context)
    functions = Functions(intake_url)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with realtime, functions:
            yield

    async def health(_: Request) -> Response:
        await context.database.fetchval("select 1")
        return JSONResponse({"status": "ok"})

    async def mails(_: Request) -> Response:
        return JSONResponse(outbox.mails())

    routes: list[BaseRoute] = [
        Route("/health", health),
        Route("/outbox", mails),
        *faults.routes(ordered, context.keys),
        *auth.routes(context, outbox),
        *storage.routes(context),
        *rest.routes(context),
        *realtime.routes(),
        *functions.routes(),
        *management.routes(context.keys),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(faults.FaultMiddleware, faults=ordered), Middleware(_CrossOrigin)],
        lifespan=lifespan,
    )


class _CrossOrigin:
    """Any page may call the services, with any headers; none may read the mails or order faults."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open = CORSMiddleware(
            app, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], expose_headers=EXPOSED, max_age=3600
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        closed = scope["type"] == "http" and scope["path"].startswith(("/outbox", "/local/"))
        await (self._app if closed else self._open)(scope, receive, send)
