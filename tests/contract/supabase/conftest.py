"""The stand-ins on a throwaway PostgreSQL, and genuine clients for them."""

import asyncio
import socket
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import uvicorn
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from deploy.local.base import apply_base
from deploy.local.keys import PLATFORM_ROLES
from deploy.local.postgres import Postgres
from deploy.local.supabase.app import build_app
from deploy.local.supabase.context import open_context
from deploy.local.supabase.keys import Keys

SCHEMA = (Path(__file__).parent / "schema.sql").read_text()
PASSWORD = "correct horse"


@dataclass(frozen=True)
class Project:
    """A running project: where it is, its keys, and a connection that may do anything."""

    url: str
    keys: Keys
    storage_dir: Path
    owner: "asyncpg.Pool[asyncpg.Record]"
    http: httpx.AsyncClient  # with the publishable key

    async def client(self, key: str | None = None) -> AsyncClient:
        options = AsyncClientOptions(auto_refresh_token=False, persist_session=False)
        return await acreate_client(self.url, key or self.keys.publishable_key, options)

    async def last_code(self, email: str) -> str:
        mails = (await self.http.get("/outbox")).json()
        return str([mail for mail in mails if mail["to"] == email][-1]["code"])

    async def mail_count(self, email: str) -> int:
        return sum(mail["to"] == email for mail in (await self.http.get("/outbox")).json())

    def files(self) -> set[str]:
        return {path.name for path in self.storage_dir.rglob("*") if path.is_file()}


@dataclass(frozen=True)
class User:
    """Somebody who is signed in."""

    id: str
    email: str
    client: AsyncClient


@asynccontextmanager
async def served(context: Any) -> AsyncIterator[None]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", int(context.public_url.rpartition(":")[2])))
    listener.listen()
    server = uvicorn.Server(uvicorn.Config(build_app(context), log_config=None, timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


@pytest.fixture(scope="session")
async def project() -> AsyncIterator[Project]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres = Postgres(folder, "secret", durable=False)
        await postgres.start()
        stack.callback(postgres.destroy)
        stack.push_async_callback(postgres.stop)
        await apply_base(postgres.dsn())
        owner = await stack.enter_async_context(asyncpg.create_pool(postgres.dsn(), min_size=0, max_size=2))
        for role in PLATFORM_ROLES:
            await owner.execute(f"alter role {role} login password 'secret'")
        await owner.execute(f"set role postgres; {SCHEMA}; reset role")
        keys = Keys.generate(hs256_secret="a shared secret of the older kind")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        context = await stack.enter_async_context(
            open_context(postgres.dsn(), keys, folder / "storage", folder / "outbox", url)
        )
        await stack.enter_async_context(served(context))
        headers = {"apikey": keys.publishable_key}
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, headers=headers, timeout=20))
        yield Project(url, keys, folder / "storage", owner, http)


@pytest.fixture
def email() -> str:
    return f"{uuid.uuid4().hex}@example.com"


@pytest.fixture
async def new_user(project: Project) -> Callable[[], Any]:
    async def make() -> User:
        email = f"{uuid.uuid4().hex}@example.com"
        client = await project.client()
        await client.auth.sign_up({"email": email, "password": PASSWORD})
        code = await project.last_code(email)
        answer = await client.auth.verify_otp({"email": email, "token": code, "type": "signup"})
        assert answer.user is not None
        return User(answer.user.id, email, client)

    return make


@pytest.fixture
async def user(new_user: Callable[[], Any]) -> User:
    made: User = await new_user()
    return made


@pytest.fixture
async def admin(project: Project) -> AsyncClient:
    return await project.client(project.keys.secret_key)
