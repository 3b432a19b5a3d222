"""Attempts run in the tests' own process, on the real database and the stand-ins, with the genuine clients."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from arq import Retry
from pydantic import SecretStr
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from deploy.local.portrait import jpeg, portrait
from deploy.local.stack import Stack
from schemas.database import Database, open_database
from schemas.settings import Settings
from tests.support.accounts import Accounts
from tests.support.stack import temporary_stack
from worker.checkpoints import Point
from worker.pipeline import run_generation
from worker.resources import RESOURCES, Resources, close_resources, open_resources

PORTRAIT = jpeg(portrait(120, 160), gps=True)
MODEL = Settings.model_fields["gemini_image_model"].default
ANALYSIS_MODEL = Settings.model_fields["gemini_analysis_model"].default


@dataclass(frozen=True)
class GeminiStandIn:
    """The stand-in, told what to answer; `bench` makes it behave again for each test."""

    http: httpx.AsyncClient

    async def answers(self, *rules: dict[str, Any]) -> None:
        (await self.http.post("/local/script", json=list(rules))).raise_for_status()

    async def calls(self) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = (await self.http.get("/local/calls")).json()["calls"]
        return calls


@dataclass(frozen=True)
class Bench:
    """Everything that a test of an attempt needs."""

    stack: Stack
    accounts: Accounts
    resources: Resources
    gemini: GeminiStandIn
    client: AsyncClient
    superuser: "asyncpg.Connection[asyncpg.Record]"

    async def until_blocked(self) -> None:
        """Wait until a call of the worker waits for a lock."""
        waiting = "select count(*) from pg_stat_activity where usename = 'sparky_worker' and wait_event_type = 'Lock'"
        while not await self.superuser.fetchval(waiting):  # noqa: ASYNC110 - the query itself takes its time
            await asyncio.sleep(0.01)

    async def upload(self, user: UUID, content: bytes = PORTRAIT, mime_type: str = "image/jpeg") -> str:
        path = f"{user}/photo.jpg"
        await self.client.storage.from_("user_uploads").upload(
            path, content, {"content-type": mime_type, "upsert": "true"}
        )
        return path

    async def submit(
        self, user: UUID, path: str, tool: str = "age", parameters: dict[str, object] | None = None
    ) -> str:
        """A queued generation's id."""
        row = await self.accounts.database.fetchrow(
            "select * from sparky.submit_generation($1, $2, $3, $4, $5)",
            user,
            tool,
            {"age": 40} if tool == "age" and parameters is None else parameters or {},
            path,
            ANALYSIS_MODEL if tool == "analysis" else MODEL,
        )
        assert row is not None
        assert row["outcome"] == "queued", row["outcome"]
        return str(row["id"])

    async def submitted(self, content: bytes = PORTRAIT, tool: str = "age", **more: Any) -> str:
        """A new user's queued generation."""
        user = await self.accounts.user()
        return await self.submit(user, await self.upload(user, content), tool, **more)

    async def run(self, generation: str, **changes: Any) -> float | None:
        """One attempt; the seconds until the next one where it was deferred. `changes` are made to the resources."""
        try:
            await run_generation({RESOURCES: replace(self.resources, **changes)}, generation)
        except Retry as retry:
            return (retry.defer_score or 0) / 1000
        return None

    async def row(self, generation: str) -> asyncpg.Record:
        row = await self.accounts.database.fetchrow("select * from public.generations where id = $1", generation)
        assert row is not None
        return row

    async def credits_and_held(self, generation: str) -> tuple[int, int]:
        row = await self.accounts.database.fetchrow(
            "select credits, (select count(*)::int from sparky.holds where generation_id = g.id) as held"
            " from public.users join public.generations g on g.user_id = users.id where g.id = $1",
            generation,
        )
        assert row is not None
        return row["credits"], row["held"]

    async def is_failed(self, generation: str, code: str) -> None:
        """It ended with `code`, the user has something to read, and nothing was charged."""
        row = await self.row(generation)
        assert (row["status"], row["error_code"]) == ("failed", code)
        assert row["error_message"]
        assert await self.credits_and_held(generation) == (10, 0)

    async def result(self, generation: str) -> bytes:
        """The picture as anybody who has its address reads it."""
        name = (await self.row(generation))["image_path"]
        address = await self.client.storage.from_("generations").get_public_url(name)
        async with httpx.AsyncClient(trust_env=False) as http:
            return (await http.get(address)).raise_for_status().content

    async def notifications(self, generation: str) -> int:
        count: int = await self.accounts.database.fetchval(
            "select count(*) from public.notifications where params ->> 'generationId' = $1", generation
        )
        return count

    async def supabase_fails(self, match: str, **fault: Any) -> None:
        """The Supabase stand-in's next request of this kind fails."""
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.post(
                f"{self.stack.supabase_url}/local/faults",
                json={"match": match, **fault},
                headers={"apikey": self.stack.secret_key},
            )
            answer.raise_for_status()


class Halt:
    """A checkpoint hook: stops the attempt at `point` until it is let go on."""

    def __init__(self, point: Point) -> None:
        self._point = point
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, point: Point) -> None:
        if point == self._point:
            self.reached.set()
            await self.go_on.wait()


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Stack]:
    async with temporary_stack("supabase", "gemini") as stack:
        yield stack


@pytest.fixture(scope="session")
def settings(stack: Stack) -> Settings:
    values = {name.lower(): value for name, value in stack.environment_of("worker").items()}
    return Settings.model_validate(values)


@pytest.fixture(scope="session")
async def resources(settings: Settings) -> AsyncIterator[Resources]:
    opened = await open_resources(settings, "test-worker")
    yield opened
    await close_resources(opened)


@pytest.fixture(scope="session")
async def database(stack: Stack, settings: Settings) -> AsyncIterator[Database]:
    pool = await open_database(settings.model_copy(update={"database_url": SecretStr(stack.database_url("postgres"))}))
    yield pool
    await pool.close()


@pytest.fixture(scope="session")
async def client(stack: Stack) -> AsyncIterator[AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
        yield await acreate_client(stack.supabase_url, stack.secret_key, AsyncClientOptions(httpx_client=http))


@pytest.fixture
async def bench(stack: Stack, resources: Resources, database: Database, client: AsyncClient) -> AsyncIterator[Bench]:
    async with httpx.AsyncClient(base_url=stack.gemini_url or "", trust_env=False) as http:
        await http.delete("/local/script")
        await http.delete("/local/calls")
        superuser = await asyncpg.connect(stack.database_url("supabase_admin"))
        yield Bench(stack, Accounts(database), resources, GeminiStandIn(http), client, superuser)
        await superuser.close()
