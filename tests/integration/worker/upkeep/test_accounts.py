"""A worker's part in an account's end, against genuine Storage and Auth clients."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx
import pytest
from supabase import AuthError

from deploy.local.stack import Stack
from tests.support.accounts import Accounts
from tests.support.customers import Customer, signed_in
from worker import accounts as departures
from worker.accounts import Departures
from worker.resources import Resources

CLOSE = "select sparky.close_account($1)"
DUE = "update sparky.account_deletions set due_at = now()"


@pytest.fixture
async def leaver(stack: Stack, accounts: Accounts) -> AsyncIterator[Customer]:
    """Somebody with photos and a result who has asked to go."""
    async with signed_in(stack) as customer:
        for name in ("a.jpg", "b/c.jpg", "b/d/e.jpg"):
            await customer.upload(name)
        generation, fence = await accounts.started(customer.id, path=f"{customer.id}/a.jpg")
        assert await accounts.settle(generation, fence) == "settled"
        await accounts.database.execute(CLOSE, customer.id)
        yield customer


async def left(accounts: Accounts, user: UUID) -> tuple[int, int, int]:
    """Files, rows of Auth, notes of the deletion."""
    row = await accounts.database.fetchrow(
        "select (select count(*) from storage.objects where starts_with(name, $1::uuid || '/')),"
        " (select count(*) from auth.users where id = $1),"
        " (select count(*) from sparky.account_deletions where user_id = $1)",
        user,
    )
    assert row is not None
    return row[0], row[1], row[2]


async def test_one_round_ends_an_account_whatever_pages_it_takes(
    resources: Resources, accounts: Accounts, leaver: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(departures, "FILES_AT_A_TIME", 1)
    assert await left(accounts, leaver.id) == (4, 1, 1)
    await Departures(resources).accounts()
    assert await left(accounts, leaver.id) == (0, 0, 0)
    assert await accounts.violations() == []


async def test_a_round_stops_in_time_and_the_next_goes_on(
    resources: Resources, accounts: Accounts, leaver: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(departures, "FILES_AT_A_TIME", 1)
    monkeypatch.setattr(departures, "STEPS_AT_A_TIME", 2)
    for files in (2, 0):
        await accounts.database.execute(DUE)
        await Departures(resources).accounts()
        assert await left(accounts, leaver.id) == (files, 1, 1)
    await accounts.database.execute(DUE)
    await Departures(resources).accounts()
    assert await left(accounts, leaver.id) == (0, 0, 0)


async def test_while_auth_fails_everything_else_is_done_and_it_is_asked_again(
    resources: Resources, accounts: Accounts, leaver: Customer, stack: Stack
) -> None:
    fault = {"match": "auth admin", "kind": "status", "status": 500}
    async with httpx.AsyncClient(base_url=stack.supabase_url, trust_env=False) as client:
        await client.post("/local/faults", json=fault, headers={"apikey": stack.secret_key})
    with pytest.raises(AuthError):
        await Departures(resources).accounts()
    assert await left(accounts, leaver.id) == (0, 1, 1)
    await Departures(resources).accounts()  # not due yet
    assert await left(accounts, leaver.id) == (0, 1, 1)
    await accounts.database.execute(DUE)
    await Departures(resources).accounts()
    assert await left(accounts, leaver.id) == (0, 0, 0)


async def test_a_user_who_is_not_in_auth_is_no_failure(resources: Resources, leaver: Customer) -> None:
    await resources.people.remove(uuid4())
    await resources.people.remove(leaver.id)
    await resources.people.remove(leaver.id)
