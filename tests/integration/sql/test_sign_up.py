"""A new auth.users row: an account, ten credits, and never a sign-up that fails because of us."""

from uuid import uuid4

import asyncpg
import pytest

from tests.integration.sql.conftest import Server
from tests.support.accounts import Accounts


async def test_a_new_user_starts_on_free_with_ten_credits_granted_in_the_ledger(accounts: Accounts) -> None:
    user = await accounts.user()
    row = await accounts.database.fetchrow("select plan_id, credits from public.users where id = $1", user)
    assert row is not None
    assert tuple(row) == (1, 10)
    assert await accounts.ledger(user, "grant") == [10]


async def test_a_sign_up_succeeds_even_when_no_account_can_be_made(accounts: Accounts) -> None:
    user = uuid4()
    async with accounts.database.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("alter table public.users rename column credits to credits_gone")
        await connection.execute("insert into auth.users (id, email) values ($1, $2)", user, f"{user}@example.com")
        signed_up = await connection.fetchval("select count(*) from auth.users where id = $1", user)
        await transaction.rollback()
    assert signed_up == 1


async def test_a_sign_up_does_not_wait_for_whoever_locks_our_tables(server: Server, accounts: Accounts) -> None:
    user = uuid4()
    async with accounts.database.acquire() as locking, locking.transaction():
        await locking.execute("lock table public.users in access exclusive mode")
        # Auth itself would give up, and the sign-up with it.
        signing_up = await asyncpg.connect(server.dsn("postgres"), server_settings={"statement_timeout": "5s"})
        try:
            await signing_up.execute("insert into auth.users (id, email) values ($1, $2)", user, f"{user}@example.com")
        finally:
            await signing_up.close()
    assert (await accounts.submit(user))["outcome"] == "queued"
    assert await accounts.ledger(user, "grant") == [10]


@pytest.mark.parametrize("statement", ["update public.credit_usage set amount = 99", "delete from public.credit_usage"])
async def test_the_ledger_is_append_only_even_for_its_owner(accounts: Accounts, statement: str) -> None:
    user = await accounts.user()
    with pytest.raises(asyncpg.RestrictViolationError):
        await accounts.database.execute(f"{statement} where user_id = $1", user)
    assert await accounts.ledger(user, "grant") == [10]
