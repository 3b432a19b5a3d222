"""Upkeep by the workers: each task is done, by one of the fleet, unless pg_cron owns it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest
from arq import ArqRedis
from structlog.testing import capture_logs

from tests.support.accounts import Accounts
from tests.support.waiting import PATIENCE_SECONDS
from worker.housekeeping import Housekeeping
from worker.resources import Resources
from worker.sweep import Sweep


@pytest.fixture(autouse=True)
async def everything_is_due(accounts: Accounts) -> None:
    await accounts.database.execute("update sparky.upkeep set next_at = now() - interval '1 second'")


async def expired_entry(accounts: Accounts) -> str:
    key = uuid4().hex
    await accounts.database.execute(
        "insert into cache.kv_store (key, value, expires_at) values ($1, '{}', '2001-01-01')", key
    )
    return key


async def due_user(accounts: Accounts) -> UUID:
    """Somebody whose present period has not been granted."""
    user = await accounts.user()
    await accounts.database.execute(
        "update public.users set period_anchor = now() - interval '40 days' where id = $1", user
    )
    return user


async def is_cached(accounts: Accounts, key: str) -> bool:
    return bool(await accounts.database.fetchval("select count(*) from cache.kv_store where key = $1", key))


async def nothing_due(accounts: Accounts) -> bool:
    return not await accounts.database.fetchval("select count(*) from sparky.upkeep where next_at <= now()")


@asynccontextmanager
async def replaced(accounts: Accounts, function: str, body: str) -> AsyncIterator[None]:
    """With another body for one of our functions."""
    before = await accounts.database.fetchval("select pg_get_functiondef($1::regproc)", f"sparky.{function}")
    head = before.partition("AS $function$")[0].replace("LANGUAGE sql", "LANGUAGE plpgsql")
    await accounts.database.execute(f"{head} AS $function$ {body} $function$")
    try:
        yield
    finally:
        await accounts.database.execute(before)


async def test_a_worker_does_what_is_due_a_batch_at_a_time(resources: Resources, accounts: Accounts) -> None:
    key, user = await expired_entry(accounts), await due_user(accounts)
    housekeeping = Housekeeping(resources.database)
    while not await nothing_due(accounts):
        await housekeeping.upkeep()
    assert not await is_cached(accounts, key)
    assert await accounts.ledger(user, "grant") == [10, 10]


async def test_a_fleet_does_each_task_once(resources: Resources, accounts: Accounts) -> None:
    users = [await due_user(accounts) for _ in range(5)]
    fleet = [Housekeeping(resources.database) for _ in range(6)]
    with capture_logs() as logs:
        for _ in range(5):
            await asyncio.gather(*(worker.upkeep() for worker in fleet))
    assert await nothing_due(accounts)
    assert [log["task"] for log in logs if log["event"] == "upkeep_done"].count("monthly-credits") == 1
    assert [await accounts.ledger(user, "grant") for user in users] == [[10, 10]] * 5


async def test_a_worker_that_found_nothing_does_not_ask_again_at_once(resources: Resources, accounts: Accounts) -> None:
    housekeeping = Housekeeping(resources.database)
    while not await nothing_due(accounts):
        await housekeeping.upkeep()
    await housekeeping.upkeep()
    key = await expired_entry(accounts)
    await accounts.database.execute("update sparky.upkeep set next_at = now()")
    await housekeeping.upkeep()
    assert await is_cached(accounts, key)


async def test_what_pg_cron_owns_is_left_to_it(resources: Resources, accounts: Accounts) -> None:
    key = await expired_entry(accounts)
    async with replaced(accounts, "upkeep_by_cron", "begin return true; end"):
        await Housekeeping(resources.database).upkeep()
        assert await is_cached(accounts, key)
    await Housekeeping(resources.database).upkeep()


async def test_the_sweep_keeps_house(resources: Resources, queue: ArqRedis, accounts: Accounts) -> None:
    key = await expired_entry(accounts)
    sweep = Sweep(resources, queue)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await nothing_due(accounts):
            await sweep.once()
    assert not await is_cached(accounts, key)


async def test_a_task_that_fails_is_logged_and_the_others_are_done(resources: Resources, accounts: Accounts) -> None:
    user = await due_user(accounts)
    async with replaced(accounts, "purge_cache", "begin raise exception 'out of order'; end"):
        housekeeping = Housekeeping(resources.database)
        with capture_logs() as logs:
            while not await nothing_due(accounts):
                await housekeeping.upkeep()
    failed = [log for log in logs if log["event"] == "upkeep_failed"]
    assert [(log["task"], log["error"]) for log in failed] == [("cleanup-cache", "out of order")]
    assert await accounts.ledger(user, "grant") == [10, 10]
