"""The pool that intake and worker open, where each transaction may run on another connection to the server."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from deploy.local.pgbouncer import POOL_SIZE
from deploy.local.stack import Stack
from schemas.database import Database, open_database
from schemas.settings import Settings
from tests.support.accounts import Accounts
from tests.support.waiting import eventually

SERVER = "select pg_backend_pid()"


async def move_elsewhere(database: Database, server: int, exits: AsyncExitStack) -> None:
    """Keep this server connection busy until the end, so that whoever used it gets another one."""
    found = None
    while found != server:
        holder = await exits.enter_async_context(database.acquire())
        await exits.enter_async_context(holder.transaction())
        found = await holder.fetchval(SERVER)


@pytest.mark.parametrize(
    ("statement", "arguments"),
    [
        ("select * from sparky.start_generation($1, $2, $3, $4)", (uuid4(), "nobody", 3, timedelta(minutes=1))),
        ("select sparky.settle_generation($1, 1, $2, $3, $4)", (uuid4(), {"a": [1]}, timedelta(days=1), {})),
        ("select sparky.removed_objects($1)", ([1, 2],)),
    ],
    ids=["rows", "json", "arrays"],
)
async def test_a_call_is_right_wherever_it_is_run(
    database: Database, statement: str, arguments: tuple[object, ...]
) -> None:
    async with AsyncExitStack() as exits:
        connection = await exits.enter_async_context(database.acquire())
        first = await connection.fetch(statement, *arguments)
        await move_elsewhere(database, await connection.fetchval(SERVER), exits)
        assert await connection.fetch(statement, *arguments) == first


async def test_prepared_statements_would_go_astray_here(settings: Settings) -> None:
    async with AsyncExitStack() as exits:
        naive = await open_database(settings.model_copy(update={"database_pooler": "none"}))
        exits.push_async_callback(naive.close)
        connection = await exits.enter_async_context(naive.acquire())
        await move_elsewhere(naive, await connection.fetchval(SERVER), exits)
        with pytest.raises(asyncpg.InvalidSQLStatementNameError):
            await connection.fetchval(SERVER)


async def test_settings_at_login_would_be_refused_here(settings: Settings) -> None:
    with pytest.raises(asyncpg.PostgresConnectionError, match="statement_timeout"):
        await asyncpg.connect(settings.database_url.get_secret_value(), server_settings={"statement_timeout": "1s"})


async def test_json_comes_and_goes_as_python_objects(database: Database) -> None:
    value = {"text": "é", "list": [1, None, {"deep": True}]}
    assert await database.fetchval("select $1::jsonb", value) == value


async def test_a_call_that_takes_too_long_ends_on_the_server_too(database: Database, accounts: Accounts) -> None:
    with pytest.raises(TimeoutError):
        await database.fetchval("select pg_sleep(600), 'too long'", timeout=0.2)

    async def ended() -> bool:
        running = (
            "select exists (select from pg_stat_activity"
            " where query like '%too long%' and state = 'active' and pid <> pg_backend_pid())"
        )
        return not await accounts.database.fetchval(running)

    await eventually(ended)
    assert await database.fetchval("select 1") == 1


@pytest.mark.parametrize("role", ["sparky_intake", "sparky_worker"])
async def test_many_clients_share_few_connections_to_the_server(stack: Stack, accounts: Accounts, role: str) -> None:
    count = 3 * POOL_SIZE
    async with asyncpg.create_pool(
        stack.database_url(role), min_size=count, max_size=count, statement_cache_size=0
    ) as clients:
        seen = await asyncio.gather(*(clients.fetchval(SERVER) for _ in range(count)))
        connected = "select array_agg(pid) from pg_stat_activity where usename = $1"
        servers = await accounts.database.fetchval(connected, role)
        assert set(seen) <= set(servers)
        assert len(servers) <= POOL_SIZE
