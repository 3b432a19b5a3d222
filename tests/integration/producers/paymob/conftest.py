"""An intake that sells, with the Paymob stand-in on the other side."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.paymob import merchant
from deploy.local.stack import Stack
from tests.integration.producers.conftest import Intake, Running
from tests.support.accounts import Accounts
from tests.support.paymob import Json, LocalPaymob, local_paymob


def settings(stack: Stack, **changes: object) -> dict[str, object]:
    """All that an intake needs in order to sell; what is named is otherwise."""
    found = merchant.environment(stack.paymob_url or "", "http://unused.invalid")
    return {**{name.lower(): value for name, value in found.items()}, **changes}


@pytest.fixture(scope="session")
async def shop(running: Running, stack: Stack) -> AsyncIterator[Intake]:
    async with running(**settings(stack, paymob_timeout_seconds=3)) as intake:
        yield intake


@pytest.fixture
async def paymob(stack: Stack) -> AsyncIterator[LocalPaymob]:
    async with local_paymob(stack.paymob_url or "") as paymob:
        yield paymob


async def inbox(accounts: Accounts) -> list[Json]:
    """The callbacks that were let in, oldest first."""
    rows = await accounts.database.fetch("select kind, key, body from sparky.payment_events order by id")
    return [dict(row) for row in rows]
