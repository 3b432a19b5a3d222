"""Telling a user's channel is a hint: when it cannot be done, money and state move all the same."""

import asyncpg
import pytest

from schemas.database import prepare_connection
from tests.integration.sql.conftest import Server
from tests.support.accounts import MODEL, Accounts

TROUBLES = {
    "missing": "alter function realtime.send(jsonb, text, text, boolean) rename to sent_before",
    "failing": (
        "create or replace function realtime.send(payload jsonb, event text, topic text, private boolean default true)"
        " returns void language plpgsql as $$ begin raise exception 'no partition'; end $$"
    ),
    "forbidden": "revoke execute on function realtime.send(jsonb, text, text, boolean) from public, postgres",
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_generation_is_charged_and_told_without_realtime(
    server: Server, accounts: Accounts, trouble: str
) -> None:
    user = await accounts.user()
    path = await accounts.photo(user)
    # The owner of realtime.send breaks it in a transaction that is rolled back.
    connection = await asyncpg.connect(server.postgres.dsn())
    await prepare_connection(connection)
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(TROUBLES[trouble])
        generation = await connection.fetchval(
            "select id from sparky.submit_generation($1, 'analysis', '{}', $2, $3)", user, path, MODEL
        )
        fence = await connection.fetchval("select fence from sparky.start_generation($1, 'w')", generation)
        answer = await connection.fetchval("select sparky.settle_generation($1, $2, '{}')", generation, fence)
        told = await connection.fetchval("select count(*) from public.notifications where user_id = $1", user)
        balance = await connection.fetchval("select credits from public.users where id = $1", user)
    finally:
        await transaction.rollback()
        await connection.close()
    assert (answer, told, balance) == ("settled", 1, 9)


async def test_a_locked_realtime_holds_nothing_up_for_long(server: Server, accounts: Accounts) -> None:
    user = await accounts.user()
    path = await accounts.photo(user)
    owner = await asyncpg.connect(server.postgres.dsn())
    # The intake would give up as well.
    client = await asyncpg.connect(server.dsn("postgres"), server_settings={"statement_timeout": "5s"})
    try:
        async with owner.transaction():
            await owner.execute("lock table realtime.messages in access exclusive mode")
            outcome = await client.fetchval(
                "select outcome from sparky.submit_generation($1, 'age', '{}', $2, $3)", user, path, MODEL
            )
    finally:
        await owner.close()
        await client.close()
    assert outcome == "queued"
    assert await accounts.held(user) == 1
