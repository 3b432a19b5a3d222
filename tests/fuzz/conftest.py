"""The intake as a process of its own, on a stack without a worker, and callers with genuine tokens."""

import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from uuid import UUID

import jwt
import pytest

from deploy.local.stack import Stack
from tests.fuzz.background import Background
from tests.support.stack import temporary_stack

PHOTOS = 200
ENOUGH = 1_000_000


@dataclass
class Callers:
    """Somebody with everything, somebody without a credit, and new people for what ends an account."""

    stack: Stack
    background: Background
    rich: UUID = field(init=False)
    poor: UUID = field(init=False)
    photos: list[str] = field(init=False)
    styles: list[str] = field(init=False)
    answers: Counter[str] = field(default_factory=Counter)
    chance: random.Random = field(default_factory=lambda: random.Random(0))

    def __post_init__(self) -> None:
        self.background.run(self._settle_in())

    async def _settle_in(self) -> None:
        accounts = self.background.accounts
        await accounts.database.execute(
            "update public.plans set daily_credits = $1, max_in_flight = $1 where id = 4", ENOUGH
        )
        self.rich = await accounts.user(plan=4, balance=ENOUGH)
        self.poor = await accounts.user(plan=1, balance=0)
        self.photos = [await accounts.photo(self.rich) for _ in range(PHOTOS)]
        rows = await accounts.database.fetch("select id from public.hairstyles where is_active")
        self.styles = [row["id"] for row in rows]

    def token(self, user: UUID) -> str:
        """As the project's Auth signs it."""
        claims = {
            "iss": f"{self.stack.supabase_url}/auth/v1",
            "aud": "authenticated",
            "role": "authenticated",
            "sub": str(user),
            "exp": int(time.time()) + 3600,
        }
        key = jwt.PyJWK(self.stack.keys.jwk, "ES256").key
        return jwt.encode(claims, key, "ES256", headers={"kid": self.stack.keys.jwk["kid"]})

    def newcomer(self) -> UUID:
        return self.background.run(self.background.accounts.user())

    def generation(self) -> str:
        """One of the rich user's generations, in any state."""
        query = (
            "(select id from public.generations where user_id = $1 and status = 'queued' limit 10) union all"
            " (select id from public.generations where user_id = $1 order by created_at desc limit 30)"
        )
        rows = self.background.run(self.background.accounts.database.fetch(query, self.rich))
        return str(self.chance.choice(rows)["id"]) if rows else str(self.rich)


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Stack]:
    async with temporary_stack("intake") as stack:
        yield stack


@pytest.fixture(scope="session")
def callers(stack: Stack) -> Iterator[Callers]:
    with Background(stack.database_url("postgres")) as background:
        callers = Callers(stack, background)
        yield callers
    print(f"\n{callers.answers.total()} requests")
    for answer, count in sorted(callers.answers.items()):
        print(f"{count:7} {answer}")
