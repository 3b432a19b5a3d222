"""The stand-ins on a throwaway PostgreSQL, or the Supabase that `TEST_*` name; and genuine clients for either."""

import asyncio
import os
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
from tests.support.given import GivenKeys, GivenSupabase, borrowed_schema, given_supabase
from tests.support.mailbox import Mailbox, Outbox

SCHEMA = (Path(__file__).parent / "schema.sql").read_text()
DROP = (Path(__file__).parent / "drop.sql").read_text()
BUCKETS = ("photos", "gallery")
PASSWORD = "correct horse"


@dataclass(frozen=True)
class Project:
    """A running project: where it is, its keys, and a connection that may do anything."""

    url: str
    keys: Keys | GivenKeys
    owner: "asyncpg.Pool[asyncpg.Record]"
    http: httpx.AsyncClient  # with the publishable key
    mailbox: Mailbox | None
    storage_dir: Path | None = None
    is_stand_in: bool = True

    async def client(self, key: str | None = None) -> AsyncClient:
        options = AsyncClientOptions(auto_refresh_token=False, persist_session=False)
        return await acreate_client(self.url, key or self.keys.publishable_key, options)

    def need_stand_in(self, what: str) -> None:
        """Skips the test on any other Supabase."""
        if not self.is_stand_in:
            pytest.skip(f"only the embedded stand-in has this: {what}")

    async def mails(self, email: str) -> list[dict[str, Any]]:
        """Oldest first. Skips the test where mails cannot be read."""
        if self.mailbox is None:
            pytest.skip("this Supabase's mails cannot be read: set TEST_MAILPIT_URL")
        return [mail for mail in await self.mailbox.mails() if mail["to"] == email]

    async def last_code(self, email: str) -> str:
        return str((await self.mails(email))[-1]["code"])

    async def mail_count(self, email: str) -> int:
        return len(await self.mails(email))

    def files(self) -> set[str]:
        """Names of the files that Storage keeps. Skips the test where they are not on this machine."""
        if self.storage_dir is None:
            pytest.skip("Storage's files are seen in the tests' own stand-in only")
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


@pytest.fixture(scope="package")
async def project() -> AsyncIterator[Project]:
    given = given_supabase(os.environ)
    async with _given_project(given) if given else _embedded_project() as project:
        yield project


@asynccontextmanager
async def _given_project(given: GivenSupabase) -> AsyncIterator[Project]:
    await _remove_buckets(given)
    headers = {"apikey": given.publishable_key}
    async with (
        borrowed_schema(given, SCHEMA, DROP) as owner,
        httpx.AsyncClient(base_url=given.url, headers=headers, timeout=20) as http,
    ):
        yield Project(given.url, given.keys, owner, http, await given.mailbox(), is_stand_in=await given.is_stand_in())
    await _remove_buckets(given)


async def _remove_buckets(given: GivenSupabase) -> None:
    """With their files: a bucket that is not there is nothing to remove."""
    headers = {"apikey": given.secret_key, "authorization": f"Bearer {given.secret_key}"}
    async with httpx.AsyncClient(base_url=given.url, headers=headers, timeout=60) as http:
        for bucket in BUCKETS:
            await http.post(f"/storage/v1/bucket/{bucket}/empty")
            await http.delete(f"/storage/v1/bucket/{bucket}")


@asynccontextmanager
async def _embedded_project() -> AsyncIterator[Project]:
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
        yield Project(url, keys, owner, http, Outbox(url), folder / "storage")


@pytest.fixture
def email() -> str:
    return f"{uuid.uuid4().hex}@example.com"


@pytest.fixture
async def new_user(project: Project) -> Callable[[], Any]:
    async def make() -> User:
        email = f"{uuid.uuid4().hex}@example.com"
        client = await project.client()
        if project.mailbox is None:
            return await _made_by_admin(project, email, client)
        await client.auth.sign_up({"email": email, "password": PASSWORD})
        code = await project.last_code(email)
        answer = await client.auth.verify_otp({"email": email, "token": code, "type": "signup"})
        assert answer.user is not None
        return User(answer.user.id, email, client)

    return make


async def _made_by_admin(project: Project, email: str, client: AsyncClient) -> User:
    admin = await project.client(project.keys.secret_key)
    await admin.auth.admin.create_user({"email": email, "password": PASSWORD, "email_confirm": True})
    answer = await client.auth.sign_in_with_password({"email": email, "password": PASSWORD})
    assert answer.user is not None
    return User(answer.user.id, email, client)


@pytest.fixture
async def user(new_user: Callable[[], Any]) -> User:
    made: User = await new_user()
    return made


@pytest.fixture
async def admin(project: Project) -> AsyncClient:
    return await project.client(project.keys.secret_key)
