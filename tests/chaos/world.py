"""What all actors share: the stack, its database, the queue, and what has been counted and seen."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
import httpx
import jwt
from arq import ArqRedis

from deploy.local.stack import Stack
from schemas.database import prepare_connection
from schemas.queue import open_queue
from tests.chaos.fleet import QUICK, Fleet
from tests.support.accounts import Accounts
from tests.support.stack import temporary_stack
from tests.support.valkey import queue_settings

CALL_SECONDS = 15.0
DATABASE_AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


@dataclass
class World:
    """`accepted` are the generations that the intake promised, `deleted` those that their users took away again.

    `stranded` are jobs whose lane the simulator destroyed. `photos` has the SHA-256 of each photo, by which
    Gemini's stand-in lists its calls, under its eTag in Storage.
    """

    stack: Stack
    fleet: Fleet
    accounts: Accounts
    queue: ArqRedis
    http: httpx.AsyncClient
    counts: Counter[str]
    accepted: set[UUID] = field(default_factory=set)
    deleted: set[UUID] = field(default_factory=set)
    stranded: set[str] = field(default_factory=set)
    photos: dict[str, str] = field(default_factory=dict)

    def token(self, user: UUID) -> str:
        """What Auth would sign for this user."""
        claims = {
            "iss": f"{self.stack.supabase_url}/auth/v1",
            "aud": "authenticated",
            "role": "authenticated",
            "sub": str(user),
            "exp": int(time.time()) + 7200,
        }
        jwk = self.stack.keys.jwk
        return jwt.encode(claims, jwt.PyJWK(jwk, "ES256").key, "ES256", headers={"kid": jwk["kid"]})

    async def behave(self) -> None:
        """Storage and Gemini do as they should again."""
        secret = {"apikey": self.stack.secret_key}
        (await self.http.delete(f"{self.stack.supabase_url}/local/faults", headers=secret)).raise_for_status()
        (await self.http.delete(f"{self.stack.gemini_url}/local/script")).raise_for_status()


@asynccontextmanager
async def open_world(settings: Mapping[str, str] = QUICK) -> AsyncIterator[World]:
    """A stack of its own with everything but a worker, which will run with these settings."""
    async with AsyncExitStack() as exits:
        stack = await exits.enter_async_context(temporary_stack("intake", "gemini", environment=settings))
        pool = await asyncpg.create_pool(
            stack.database_url("postgres"), min_size=0, max_size=4, init=prepare_connection, command_timeout=30
        )
        exits.push_async_callback(pool.close)
        queue = open_queue(queue_settings(stack.redis_url))
        exits.push_async_callback(queue.aclose, close_connection_pool=True)
        http = await exits.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=CALL_SECONDS))
        counts: Counter[str] = Counter()

        def count(what: str) -> None:
            counts[what] += 1

        fleet = await exits.enter_async_context(Fleet(stack, settings, count))
        yield World(stack, fleet, Accounts(pool), queue, http, counts)
