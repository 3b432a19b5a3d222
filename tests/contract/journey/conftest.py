"""One whole embedded stack for both clients, and an operator who changes its catalogue when asked."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.local.portrait import jpeg, portrait
from deploy.local.stack import Stack
from tests.contract.journey.journey import Site
from tests.support.stack import temporary_stack


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Stack]:
    async with temporary_stack() as stack:
        yield stack


@pytest.fixture(scope="session")
async def operator_url(stack: Stack) -> AsyncIterator[str]:
    """`POST /touch-tool/{id}` writes a tool's row as it is, which Realtime tells like any change."""
    database = await asyncpg.connect(stack.database_url("postgres"))

    async def touch_tool(request: Request) -> Response:
        tool = request.path_params["id"]
        await database.execute("update public.tools set icon_name = icon_name where id = $1", tool)
        return Response(status_code=204)

    app = Starlette(routes=[Route("/touch-tool/{id}", touch_tool, methods=["POST"])])
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        serving = asyncio.create_task(server.serve([listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving
    await database.close()


@pytest.fixture(scope="session")
def site(stack: Stack, operator_url: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    photo: Path = tmp_path_factory.mktemp("journey") / "portrait.jpg"
    photo.write_bytes(jpeg(portrait(192, 256)))
    return Site(
        supabase_url=stack.supabase_url,
        publishable_key=stack.publishable_key,
        secret_key=stack.secret_key,
        intake_url=stack.intake_url,
        operator_url=operator_url,
        portrait=photo,
    )
