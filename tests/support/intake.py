"""Applications inside the test's own process, under uvicorn: the intake as clients meet it, and what it talks to."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from producers.intake import create_app
from schemas.settings import Settings


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """Serve on a free port for as long as the block lasts; answers the address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="on", log_config=None, access_log=False))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def serving_intake(settings: Settings) -> AsyncIterator[str]:
    """An intake with these settings."""
    async with serving(create_app(settings)) as url:
        yield url
