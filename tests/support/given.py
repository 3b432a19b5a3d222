"""A Supabase that the environment names, for `tests/contract`: see docs/how-to/test-against-supabase.md.

What only the embedded stand-in has (mails as JSON, faults on demand) is used where the named one has it too, as
another embedded stack does; elsewhere the tests that need it are skipped by name.
"""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import jwt
import pytest

from tests.support.mailbox import Mailbox, Mailpit, Outbox

NEEDED = ("TEST_DATABASE_URL", "TEST_SUPABASE_URL", "TEST_SUPABASE_SECRET_KEY", "TEST_SUPABASE_PUBLISHABLE_KEY")
OPTIONAL = ("TEST_SUPABASE_JWT_SECRET", "TEST_MAILPIT_URL")
CALL_SECONDS = 20


@dataclass(frozen=True)
class GivenSupabase:
    """Where it is, as role `postgres`, and its keys. Its `repr` shows no secret."""

    database_url: str
    url: str
    publishable_key: str
    secret_key: str
    jwt_secret: str | None = None
    mailpit_url: str | None = None

    def __repr__(self) -> str:
        return f"GivenSupabase({self.url})"

    @property
    def environment(self) -> dict[str, str]:
        """What a stack reads in order to use it instead of the stand-in."""
        found = {
            "SUPABASE_URL": self.url,
            "SUPABASE_SECRET_KEY": self.secret_key,
            "SUPABASE_PUBLISHABLE_KEY": self.publishable_key,
            "DATABASE_URL": self.database_url,
        }
        return found | ({"SUPABASE_JWT_SECRET": self.jwt_secret} if self.jwt_secret else {})

    @property
    def keys(self) -> "GivenKeys":
        return GivenKeys(self.publishable_key, self.secret_key, self.jwt_secret)

    async def is_stand_in(self) -> bool:
        """Whether it is another embedded stack."""
        async with httpx.AsyncClient(timeout=CALL_SECONDS) as http:
            answer = await http.get(f"{self.url}/health", headers={"apikey": self.publishable_key})
        return answer.is_success and answer.json() == {"status": "ok"}

    async def mailbox(self) -> Mailbox | None:
        """Where its mails can be read; None: nowhere."""
        if await self.is_stand_in():
            return Outbox(self.url)
        return Mailpit(self.mailpit_url) if self.mailpit_url else None


@dataclass(frozen=True)
class GivenKeys:
    """Its API keys, and tokens of our own making where its shared secret is known."""

    publishable_key: str
    secret_key: str
    jwt_secret: str | None

    def __repr__(self) -> str:
        return "GivenKeys(…)"

    @property
    def hs256_secret(self) -> str:
        """Skips the test where it is not known."""
        if self.jwt_secret is None:
            pytest.skip("this Supabase's shared secret is not given: set TEST_SUPABASE_JWT_SECRET")
        return self.jwt_secret

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A token that it accepts. Skips the test where the shared secret is not known."""
        return jwt.encode({"iat": int(time.time()), **claims}, self.hs256_secret, algorithm="HS256")


def given_supabase(environment: Mapping[str, str]) -> GivenSupabase | None:
    """The named one; None where none is. Raises ValueError where only a part is named."""
    missing = [name for name in NEEDED if not environment.get(name)]
    if len(missing) == len(NEEDED) and not any(environment.get(name) for name in OPTIONAL):
        return None
    if missing:
        raise ValueError(f"to run against a Supabase of yours, set {', '.join(missing)} too")
    return GivenSupabase(
        database_url=environment["TEST_DATABASE_URL"],
        url=environment["TEST_SUPABASE_URL"].rstrip("/"),
        publishable_key=environment["TEST_SUPABASE_PUBLISHABLE_KEY"],
        secret_key=environment["TEST_SUPABASE_SECRET_KEY"],
        jwt_secret=environment.get("TEST_SUPABASE_JWT_SECRET") or None,
        mailpit_url=environment.get("TEST_MAILPIT_URL") or None,
    )


@asynccontextmanager
async def borrowed_schema(given: GivenSupabase, make: str, drop: str) -> "AsyncIterator[asyncpg.Pool[asyncpg.Record]]":
    """A test schema in the given database while the block lasts; whoever else wants one waits for their turn.

    What an earlier run left, because it was killed, is dropped first.
    """
    pool = asyncpg.create_pool(given.database_url, min_size=1, max_size=4, statement_cache_size=0)
    async with pool as owner, owner.acquire() as turn:
        await turn.execute("select pg_advisory_lock(hashtext('sparky contract'))")
        try:
            await owner.execute(drop)
            await owner.execute(f"{make}; notify pgrst, 'reload schema'")
            yield owner
            await owner.execute(drop)
        finally:
            await turn.execute("select pg_advisory_unlock(hashtext('sparky contract'))")
