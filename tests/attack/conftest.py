"""One stack without a worker, so that nothing changes by itself, and two customers with genuine tokens."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.stack import Stack
from tests.attack.world import World
from tests.support.accounts import open_accounts
from tests.support.customers import signed_in
from tests.support.stack import temporary_stack


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Stack]:
    async with temporary_stack("intake") as stack:
        yield stack


@pytest.fixture(scope="session")
async def world(stack: Stack) -> AsyncIterator[World]:
    async with (
        open_accounts(stack.database_url("postgres")) as accounts,
        signed_in(stack) as alice,
        signed_in(stack) as bob,
    ):
        world = World(stack, accounts, alice, bob)
        await world.settle_in()
        yield world
        await world.http.aclose()


@pytest.fixture
async def nothing_changes(world: World) -> AsyncIterator[None]:
    """The promise of every attack: no row of any table and no file of any bucket is another one afterwards."""
    yield
    before, world.known = world.known, await world.state()  # so that what one attack changed is blamed on no other
    assert world.known == before
