"""Upkeep: what has expired goes, monthly credits come once, and the workers do what pg_cron does not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from deploy.local.migrate import SUPABASE
from schemas.database import prepare_connection
from tests.integration.sql.conftest import Server
from tests.support.accounts import Accounts

TASKS = {"cleanup-cache", "cleanup-run-log", "cleanup-notifications", "monthly-credits", "lapse-plans"}
NIL = UUID(int=0)


@asynccontextmanager
async def undone(server: Server) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A transaction of role postgres that is rolled back."""
    connection = await asyncpg.connect(server.dsn("postgres"))
    await prepare_connection(connection)
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


async def cached(accounts: Accounts, expires: str) -> str:
    """A cache entry; answers its key."""
    key = uuid4().hex
    await accounts.database.execute(
        f"insert into cache.kv_store (key, value, expires_at) values ($1, '{{}}', {expires})", key
    )
    return key


async def test_expired_cache_entries_go_the_oldest_first_and_no_more_than_asked(accounts: Accounts) -> None:
    keys = [await cached(accounts, f"'2001-01-0{day}'") for day in (3, 1, 2)]
    fresh = await cached(accounts, "now() + interval '1 minute'")
    assert await accounts.database.fetchval("select sparky.purge_cache(2)") == 2
    left = await accounts.database.fetch("select key from cache.kv_store where key = any ($1)", [*keys, fresh])
    assert {row["key"] for row in left} == {keys[0], fresh}
    await accounts.database.execute("select sparky.purge_cache()")
    left = await accounts.database.fetch("select key from cache.kv_store where key = any ($1)", [*keys, fresh])
    assert {row["key"] for row in left} == {fresh}


async def grow_old(accounts: Accounts, generation: UUID, days: int) -> None:
    """As if it had been asked for and had ended so many days ago."""
    await accounts.database.execute(
        "update public.generations set created_at = created_at - make_interval(days => $2),"
        " finished_at = finished_at - make_interval(days => $2) where id = $1",
        generation,
        days,
    )
    await accounts.database.execute(
        "update public.notifications set created_at = created_at - make_interval(days => $2) where source_id = $1",
        generation,
        days,
    )


async def test_notifications_go_after_ninety_days_and_no_invariant_breaks(accounts: Accounts) -> None:
    user = await accounts.user()
    old, recent = await accounts.succeeded(user), await accounts.succeeded(user)
    await grow_old(accounts, old, 91)
    await grow_old(accounts, recent, 89)
    assert await accounts.database.fetchval("select sparky.purge_notifications()") == 1
    rows = await accounts.database.fetch("select source_id from public.notifications where user_id = $1", user)
    assert [row["source_id"] for row in rows] == [recent]
    assert await accounts.violations() == []


async def test_how_long_notifications_are_kept_is_a_setting(server: Server) -> None:
    async with undone(server) as database:
        user = await database.fetchval("insert into auth.users (id) values (gen_random_uuid()) returning id")
        await database.execute(
            "insert into public.notifications (user_id, type, title_key, message_key, created_at)"
            " values ($1, 'general', '', '', now() - interval '11 days')",
            user,
        )
        left = "select count(*) from public.notifications where user_id = $1"
        await database.execute("select sparky.purge_notifications()")
        assert await database.fetchval(left, user) == 1
        await database.execute("update sparky.operator_settings set keep_notifications = '10 days'")
        await database.execute("select sparky.purge_notifications()")
        assert await database.fetchval(left, user) == 0


async def test_after_a_purge_a_notification_that_should_be_there_is_still_missed(
    server: Server, accounts: Accounts
) -> None:
    user = await accounts.user()
    long_ago, retried, today = [await accounts.succeeded(user) for _ in range(3)]
    await grow_old(accounts, long_ago, 91)
    await accounts.database.execute(
        "update public.generations set created_at = created_at - interval '91 days' where id = $1", retried
    )
    await accounts.database.execute("select sparky.purge_notifications()")
    missed = "select violations from sparky.check_invariants() where name = 'one_notification_per_ending'"
    for generation in (retried, today):
        async with undone(server) as database:
            assert await database.fetchval(missed) == 0
            await database.execute("delete from public.notifications where source_id = $1", generation)
            assert await database.fetchval(missed) == 1


@pytest.mark.parametrize(("row_events", "first"), [(True, 200), (False, 250)])
async def test_few_notifications_go_at_a_time_while_realtime_tells_each(
    server: Server, row_events: bool, first: int
) -> None:
    async with undone(server) as database:
        await database.execute("select sparky.set_row_events($1)", row_events)
        user = await database.fetchval("insert into auth.users (id) values (gen_random_uuid()) returning id")
        await database.execute(
            "insert into public.notifications (user_id, type, title_key, message_key, created_at)"
            " select $1, 'general', '', '', '2001-01-01' from generate_series(1, 250)",
            user,
        )
        assert await database.fetchval("select sparky.purge_notifications()") == first


async def due_user(accounts: Accounts, **account: Any) -> UUID:
    """Somebody whose present period has not been granted, and who does not act."""
    user = await accounts.user(**account)
    await accounts.database.execute(
        "update public.users set period_anchor = now() - interval '40 days' where id = $1", user
    )
    return user


async def grant_round(accounts: Accounts, limit: int = 500) -> None:
    """Grants from the first user to the last."""
    await accounts.database.execute("update sparky.grant_round set last_user = $1", NIL)
    while True:
        await accounts.database.execute("select sparky.grant_period_credits($1)", limit)
        if await accounts.database.fetchval("select last_user from sparky.grant_round") == NIL:
            return


@pytest.mark.parametrize("limit", [1, 3, 500])
async def test_a_round_grants_everybody_who_is_due_once(accounts: Accounts, limit: int) -> None:
    free, pro, settled = await due_user(accounts), await due_user(accounts, plan=3), await accounts.user()
    # The first grant is the one of the sign-up, which is always on Free.
    expected = [[10, 10], [10, 100], [10]]
    await grant_round(accounts, limit)
    assert [await accounts.ledger(user, "grant") for user in (free, pro, settled)] == expected
    await grant_round(accounts, limit)
    await accounts.submit(free)
    assert [await accounts.ledger(user, "grant") for user in (free, pro, settled)] == expected
    assert await accounts.violations() == []


async def test_who_acts_while_the_round_runs_is_granted_once(accounts: Accounts) -> None:
    users = [await due_user(accounts) for _ in range(5)]
    await accounts.database.execute("update sparky.grant_round set last_user = $1", NIL)
    await asyncio.gather(
        *(accounts.database.execute("select sparky.grant_period_credits()") for _ in range(6)),
        *(accounts.submit(user) for user in users for _ in range(2)),
    )
    await grant_round(accounts)
    assert [await accounts.ledger(user, "grant") for user in users] == [[10, 10]] * 5


async def test_a_busy_user_holds_the_round_up_for_nothing_and_is_granted_in_the_next(
    server: Server, accounts: Accounts
) -> None:
    busy, other = await due_user(accounts), await due_user(accounts)
    async with undone(server) as database:
        await database.execute("select from public.users where id = $1 for update", busy)
        async with asyncio.timeout(10):
            await grant_round(accounts)
    assert [await accounts.ledger(user, "grant") for user in (busy, other)] == [[10], [10, 10]]
    await grant_round(accounts)
    assert await accounts.ledger(busy, "grant") == [10, 10]


async def test_somebody_whom_auth_no_longer_knows_is_granted_nothing(accounts: Accounts) -> None:
    gone = await due_user(accounts)
    await accounts.database.execute("delete from auth.users where id = $1", gone)
    await grant_round(accounts)
    assert await accounts.ledger(gone, "grant") == [10]


async def test_somebody_whose_account_is_being_deleted_is_granted_nothing(accounts: Accounts) -> None:
    leaving = await due_user(accounts)
    await accounts.database.execute("insert into sparky.account_deletions (user_id) values ($1)", leaving)
    await grant_round(accounts)
    assert await accounts.ledger(leaving, "grant") == [10]
    await accounts.database.execute("delete from sparky.account_deletions where user_id = $1", leaving)


async def test_granted_credits_are_told_on_the_users_channel(accounts: Accounts) -> None:
    user = await due_user(accounts)
    await grant_round(accounts)
    rows = await accounts.database.fetch(
        "select payload from realtime.messages where topic = $1 and event = 'balance' order by inserted_at",
        f"user:{user}",
    )
    assert rows[-1]["payload"]["credits"] == 20


async def run_all(database: "asyncpg.Connection[asyncpg.Record]") -> dict[str, str | None]:
    """Everything that is due, task by task, with what went wrong."""
    done: dict[str, str | None] = {}
    while row := await database.fetchrow("select * from sparky.run_upkeep()"):
        done[row["task"]] = row["failure"]
    return done


async def test_a_worker_does_each_task_that_is_due_and_then_nothing_until_its_time(server: Server) -> None:
    async with undone(server) as database:
        await database.execute("update sparky.upkeep set next_at = now() - interval '1 second'")
        assert await run_all(database) == dict.fromkeys(TASKS)
        rows = await database.fetch("select task, next_at from sparky.upkeep where next_at > now() order by task")
        assert {row["task"] for row in rows} == TASKS
        assert (rows[0]["next_at"].hour, rows[0]["next_at"].minute) == (3, 0)


async def test_a_full_page_is_followed_by_the_next(server: Server) -> None:
    async with undone(server) as database:
        await database.execute("update sparky.upkeep set next_at = 'infinity'")
        await database.execute("update sparky.upkeep set next_at = now(), page = 2 where task = 'cleanup-cache'")
        await database.execute(
            "insert into cache.kv_store (key, value, expires_at)"
            " select 'old-' || n, '{}', '2001-01-01' from generate_series(1, 5) as n"
        )
        pages = 0
        while await database.fetchrow("select * from sparky.run_upkeep()"):
            pages += 1
        assert pages >= 3
        assert await database.fetchval("select count(*) from cache.kv_store where expires_at <= now()") == 0


async def test_a_task_that_fails_is_told_is_due_soon_and_holds_up_no_other(server: Server) -> None:
    async with undone(server) as database:
        await database.execute(
            "create or replace function sparky.purge_cache(p_limit integer default 200000) returns integer"
            " language plpgsql as $$ begin raise exception 'out of order'; end $$"
        )
        await database.execute("update sparky.upkeep set next_at = now() - interval '1 second'")
        assert await run_all(database) == dict.fromkeys(TASKS) | {"cleanup-cache": "out of order"}
        soon = "select next_at <= now() + interval '1 minute' from sparky.upkeep where task = 'cleanup-cache'"
        assert await database.fetchval(soon)


async def test_two_workers_never_do_the_same_task_at_once(server: Server) -> None:
    async with undone(server) as first, undone(server) as second:
        everything = "update sparky.upkeep set next_at = now() - interval '1 second'"
        committed = await asyncpg.connect(server.dsn("postgres"))
        await committed.execute(everything)
        await committed.close()
        mine = await first.fetchval("select task from sparky.run_upkeep()")
        async with asyncio.timeout(10):
            theirs = await run_all(second)
        assert mine not in theirs
        assert {mine, *theirs} == TASKS


async def test_without_pg_cron_nothing_is_its_and_asking_for_jobs_is_harmless(accounts: Accounts) -> None:
    for question in ("upkeep_by_cron()", "upkeep_by_cron('cleanup-cache')", "schedule_upkeep()"):
        assert await accounts.database.fetchval(f"select sparky.{question}") is False
    assert await accounts.database.fetchval("select sparky.purge_run_log()") == 0


async def test_the_worker_may_run_upkeep_and_none_of_its_parts(server: Server) -> None:
    worker = await asyncpg.connect(server.dsn("sparky_worker"))
    try:
        await worker.fetch("select * from sparky.run_upkeep()")
        for part in ("purge_cache()", "purge_notifications()", "grant_period_credits()", "set_row_events(false)"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await worker.fetch(f"select sparky.{part}")
    finally:
        await worker.close()


async def published(database: "asyncpg.Connection[asyncpg.Record]") -> set[str]:
    rows = await database.fetch(
        "select tablename from pg_catalog.pg_publication_tables where pubname = 'supabase_realtime'"
    )
    return {row["tablename"] for row in rows}


async def test_row_events_of_the_two_busy_tables_are_a_setting(server: Server) -> None:
    catalogue = {"tools", "hairstyles", "colors", "plans"}
    async with undone(server) as database:
        assert await published(database) == catalogue | {"users", "notifications"}
        for on in (False, False, True, True):
            await database.execute("select sparky.set_row_events($1)", on)
            assert await published(database) == catalogue | ({"users", "notifications"} if on else set())


async def test_migrating_again_leaves_what_an_operator_decided(server: Server) -> None:
    async with undone(server) as database:
        await database.execute("select sparky.set_row_events(false)")
        await database.execute("update storage.buckets set public = (id = 'user_uploads')")
        await database.execute((SUPABASE / "migrations" / "20261122001400_buckets_and_publication.sql").read_text())
        assert not {"users", "notifications"} & await published(database)
        rows = await database.fetch("select id, public from storage.buckets")
        assert {row["id"]: row["public"] for row in rows} == {"user_uploads": False, "generations": False}


@pytest.mark.parametrize("table", ["plans", "tools", "hairstyles", "colors", "credit_packs"])
async def test_a_change_of_the_catalogue_is_told_to_everybody(server: Server, table: str) -> None:
    async with undone(server) as database:
        before = await database.fetchval("select count(*) from realtime.messages where topic = 'catalogue'")
        await database.execute(f"update public.{table} set is_active = false")
        rows = await database.fetch(
            "select payload from realtime.messages where topic = 'catalogue' order by inserted_at offset $1", before
        )
        assert [row["payload"]["table"] for row in rows] == [table]
