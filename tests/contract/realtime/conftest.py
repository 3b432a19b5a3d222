"""A Realtime of our own on a throwaway PostgreSQL, or that of the Supabase that `TEST_*` name; and genuine clients."""

import asyncio
import os
import secrets
import socket
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import uvicorn
from realtime import AsyncRealtimeChannel, AsyncRealtimeClient, RealtimeSubscribeStates

from deploy.local.base import apply_base
from deploy.local.postgres import Postgres
from deploy.local.supabase.app import build_app
from deploy.local.supabase.context import Context, open_context
from deploy.local.supabase.keys import Keys
from tests.support.given import GivenKeys, GivenSupabase, borrowed_schema, given_supabase

SCHEMA = (Path(__file__).parent / "schema.sql").read_text()
DROP = (Path(__file__).parent / "drop.sql").read_text()
WAIT_SECONDS = 20.0


@dataclass
class Site:
    """What a test needs of the running stand-in. `owner` is a connection that may do anything."""

    url: str
    keys: Keys | GivenKeys
    server: Postgres | None
    owner: "asyncpg.Pool[asyncpg.Record]"
    is_stand_in: bool = True
    tokens: dict[uuid.UUID, str] = field(default_factory=dict)  # of genuine users, an hour long

    def need_stand_in(self, what: str) -> None:
        """Skips the test on any other Supabase."""
        if not self.is_stand_in:
            pytest.skip(f"only the embedded stand-in has this: {what}")

    @property
    def postgres(self) -> Postgres:
        """The server itself. Skips the test where it is not ours to stop."""
        if self.server is None:
            pytest.skip("PostgreSQL is stopped in the tests' own stack only")
        return self.server

    async def new_user(self) -> uuid.UUID:
        """Somebody who may ask for a token: a genuine account where we do not sign the tokens ourselves."""
        if isinstance(self.keys, Keys) or self.keys.jwt_secret is not None:
            return uuid.uuid4()
        account = {"email": f"{secrets.token_hex(8)}@example.com", "password": secrets.token_urlsafe(16)}
        async with httpx.AsyncClient(base_url=f"{self.url}/auth/v1", timeout=WAIT_SECONDS) as http:
            admin = {"apikey": self.keys.secret_key, "authorization": f"Bearer {self.keys.secret_key}"}
            made = await http.post("/admin/users", json={**account, "email_confirm": True}, headers=admin)
            made.raise_for_status()
            public = {"apikey": self.keys.publishable_key}
            session = await http.post("/token?grant_type=password", json=account, headers=public)
            user = uuid.UUID(made.json()["id"])
            self.tokens[user] = session.raise_for_status().json()["access_token"]
        return user

    def token(self, user: uuid.UUID, *, seconds: float = 3600, role: str = "authenticated") -> str:
        if user in self.tokens and (seconds, role) == (3600, "authenticated"):
            return self.tokens[user]
        return self.keys.sign({"sub": str(user), "role": role, "aud": "authenticated", "exp": time.time() + seconds})

    @property
    def socket_url(self) -> str:
        return self.url.replace("http", "ws") + "/realtime/v1"


@dataclass
class Inbox:
    """Messages of one kind, in the order of arrival."""

    queue: "asyncio.Queue[Any]"

    @classmethod
    def make(cls) -> "Inbox":
        return cls(asyncio.Queue())

    def put(self, message: Any) -> None:
        self.queue.put_nowait(message)

    async def next(self) -> Any:
        return await asyncio.wait_for(self.queue.get(), WAIT_SECONDS)

    @property
    def is_empty(self) -> bool:
        return self.queue.empty()


@dataclass
class Listening:
    """A channel of the genuine client, joined, with what it received."""

    channel: AsyncRealtimeChannel
    states: Inbox
    system: Inbox
    changes: Inbox
    broadcasts: Inbox


class Client:
    """supabase-py's own Realtime client for one user."""

    def __init__(self, site: Site, token: str | None) -> None:
        self.site = site
        self.realtime = AsyncRealtimeClient(site.socket_url, site.keys.publishable_key)
        self.token = token

    async def listen(
        self, topic: str, *bindings: dict[str, Any], private: bool = False, broadcast: dict[str, bool] | None = None
    ) -> Listening:
        """Join; return when joined and, with bindings, when changes are delivered."""
        if self.token is not None:
            await self.realtime.set_auth(self.token)
        listening = self.prepare(topic, *bindings, private=private, broadcast=broadcast)
        await listening.channel.subscribe(lambda state, error: listening.states.put((state, error)))
        state, error = await listening.states.next()
        assert state == RealtimeSubscribeStates.SUBSCRIBED, error
        if bindings:
            assert (await listening.system.next()).message == "Subscribed to PostgreSQL"
        return listening

    def _heard(self, inbox: Inbox, message: Any) -> None:
        # Where the product is installed too, a genuine new user is told their first balance.
        if not self.site.tokens or message["event"] != "balance":
            inbox.put(message)

    def prepare(
        self, topic: str, *bindings: dict[str, Any], private: bool = False, broadcast: dict[str, bool] | None = None
    ) -> Listening:
        """A channel with its listeners, not joined."""
        options = broadcast or {"ack": False, "self": False}
        params: Any = {"config": {"broadcast": options, "presence": {"key": "", "enabled": False}, "private": private}}
        channel = self.realtime.channel(topic, params)
        listening = Listening(channel, Inbox.make(), Inbox.make(), Inbox.make(), Inbox.make())
        for binding in bindings:
            arguments = {"event": "*", "schema": "public"} | binding
            channel.on_postgres_changes(arguments.pop("event"), listening.changes.put, **arguments)
        channel.on_broadcast("*", partial(self._heard, listening.broadcasts))
        channel.on_system(listening.system.put)
        return listening


@asynccontextmanager
async def serve(context: Context) -> AsyncIterator[str]:
    """The stand-ins' app on a free port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = uvicorn.Server(uvicorn.Config(build_app(context), log_config=None, timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


@pytest.fixture(scope="package")
async def site() -> AsyncIterator[Site]:
    given = given_supabase(os.environ)
    async with _given_site(given) if given else _embedded_site() as site:
        yield site


@asynccontextmanager
async def _given_site(given: GivenSupabase) -> AsyncIterator[Site]:
    async with borrowed_schema(given, SCHEMA, DROP) as owner:
        yield Site(given.url, given.keys, None, owner, is_stand_in=await given.is_stand_in())


@asynccontextmanager
async def _embedded_site() -> AsyncIterator[Site]:
    with tempfile.TemporaryDirectory() as folder:
        postgres = Postgres(Path(folder), "secret", durable=False)
        await postgres.start()
        try:
            await apply_base(postgres.dsn())
            keys = Keys.generate()
            async with asyncpg.create_pool(postgres.dsn(), min_size=0, max_size=4) as owner:
                await owner.execute("alter role authenticator login password 'secret'")
                for role in ("supabase_auth_admin", "supabase_storage_admin"):
                    await owner.execute(f"alter role {role} login password 'secret'")
                await owner.execute(SCHEMA)
                await owner.expire_connections()
                folders = Path(folder)
                async with (
                    open_context(postgres.dsn(), keys, folders / "s", folders / "o", "http://localhost") as context,
                    serve(context) as url,
                ):
                    yield Site(url, keys, postgres, owner)
        finally:
            await postgres.stop()
            postgres.destroy()


@pytest.fixture
async def user(site: Site) -> uuid.UUID:
    return await site.new_user()


@pytest.fixture
async def other(site: Site) -> uuid.UUID:
    return await site.new_user()


@pytest.fixture
async def clients(site: Site) -> AsyncIterator[Any]:
    """Makes clients, and closes them after the test: `clients(user)`, `clients(token=…)`, `clients()` for nobody."""
    made: list[Client] = []

    def make(user: uuid.UUID | None = None, *, token: str | None = None) -> Client:
        made.append(Client(site, token or (site.token(user) if user else None)))
        return made[-1]

    yield make
    for client in made:
        await client.realtime.close()
