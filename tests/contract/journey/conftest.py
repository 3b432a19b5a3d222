"""One whole stack for both clients, on the stand-in or on the Supabase that `TEST_*` name, and an operator who changes
its catalogue and reads its mails when asked."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.local.migrate import migrate
from deploy.local.portrait import jpeg, portrait
from deploy.local.stack import Stack
from tests.contract.journey.journey import Site
from tests.support.given import GivenSupabase, given_supabase
from tests.support.mailbox import Mailbox, Outbox
from tests.support.stack import temporary_stack


@pytest.fixture(scope="session")
def given() -> GivenSupabase | None:
    return given_supabase(os.environ)


@pytest.fixture(scope="session")
async def mailbox(given: GivenSupabase | None) -> Mailbox | None:
    """None: the embedded stack's own."""
    if given is None:
        return None
    mailbox = await given.mailbox()
    if mailbox is None:
        pytest.skip("the journey needs the codes that Auth mails: set TEST_MAILPIT_URL")
    return mailbox


@pytest.fixture(scope="session")
async def stack(given: GivenSupabase | None, mailbox: Mailbox | None) -> AsyncIterator[Stack]:
    if given is not None:
        await migrate(given.database_url)
    async with temporary_stack(environment=given.environment if given else None) as stack:
        yield stack


@pytest.fixture(scope="session")
async def operator_url(stack: Stack, mailbox: Mailbox | None) -> AsyncIterator[str]:
    """`POST /touch-tool/{id}` writes a tool's row as it is, which Realtime tells like any change; `GET /mails`."""
    mails = mailbox or Outbox(stack.supabase_url)
    database = await asyncpg.connect(stack.database_url("postgres"))

    async def touch_tool(request: Request) -> Response:
        tool = request.path_params["id"]
        await database.execute("update public.tools set icon_name = icon_name where id = $1", tool)
        return Response(status_code=204)

    async def list_mails(_: Request) -> Response:
        return JSONResponse(await mails.mails())

    routes = [Route("/touch-tool/{id}", touch_tool, methods=["POST"]), Route("/mails", list_mails)]
    app = Starlette(routes=routes)
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
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    photo = tmp_path_factory.mktemp("journey") / "portrait.jpg"
    photo.write_bytes(jpeg(portrait(192, 256)))
    return photo


@pytest.fixture(scope="session")
async def site(given: GivenSupabase | None, stack: Stack, operator_url: str, photo: Path) -> Site:
    return Site(
        supabase_url=stack.supabase_url,
        publishable_key=stack.publishable_key,
        secret_key=stack.secret_key,
        intake_url=stack.intake_url,
        operator_url=operator_url,
        portrait=photo,
        outages=given is None or await given.is_stand_in(),
    )
