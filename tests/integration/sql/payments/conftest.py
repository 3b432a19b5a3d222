"""Whoever buys in these tests, and what their channel was told."""

from typing import Any
from uuid import UUID

import pytest

from tests.support.accounts import Accounts
from tests.support.orders import Orders


@pytest.fixture
def orders(accounts: Accounts) -> Orders:
    return Orders(accounts)


@pytest.fixture
async def user(accounts: Accounts) -> UUID:
    return await accounts.user(balance=0)


async def events(accounts: Accounts, user: UUID, event: str) -> list[dict[str, Any]]:
    """What the user's own channel was told."""
    rows = await accounts.database.fetch(
        "select payload from realtime.messages where topic = $1 and event = $2 order by inserted_at",
        f"user:{user}",
        event,
    )
    return [row["payload"] for row in rows]
