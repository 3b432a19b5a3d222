"""Who may do what to which table: the whole matrix, against a written expectation.

Every statement is tried for real under the client role and rolled back. `shown` and `changed` mean that it reached the
row, `nothing` that row level security hid it, `denied` that no privilege allows it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from tests.integration.sql.conftest import Server
from tests.support.accounts import Accounts

ACTORS = ("anon", "owner", "other")
CATALOGUE = {"anon": "shown", "owner": "shown", "other": "shown"}
PRIVATE = {"anon": "denied", "owner": "shown", "other": "nothing"}
SELECT = {
    "plans": CATALOGUE,
    "tools": CATALOGUE,
    "hairstyles": CATALOGUE,
    "colors": CATALOGUE,
    "credit_packs": CATALOGUE,
    "users": PRIVATE,
    "credit_usage": PRIVATE,
    "notifications": PRIVATE,
    "generations": PRIVATE,
    "orders": PRIVATE,
    "payments": PRIVATE,
}
# Nobody inserts or deletes anything; only these columns can be written, by the owner.
WRITABLE = {"users": {"username", "notification_preferences"}, "notifications": {"read"}}
USERS_COLUMNS_SHOWN = {
    "id": True,
    "username": True,
    "plan_id": True,
    "plan_expires_at": True,
    "credits": True,
    "credit_debt": True,
    "notification_preferences": True,
    "period_anchor": False,
    "created_at": True,
    "updated_at": True,
    "closed_at": False,
}
GENERATION_COLUMNS_HIDDEN = {
    "cache_key", "source_etag", "source_size", "tool_version", "model", "object_name", "lane", "fence", "tries",
    "failures", "draft", "usage", "worker_id", "deadline_at", "queued_at", "due_at", "swept_at", "sweeps",
    "next_sweep_at", "endings",
}  # fmt: skip


@dataclass(frozen=True)
class Clients:
    """Statements as the Data API runs them: role and claims set in a transaction that is rolled back."""

    dsn: str
    owner: UUID
    other: UUID

    @asynccontextmanager
    async def acting_as(self, actor: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        connection = await asyncpg.connect(self.dsn)
        transaction = connection.transaction()
        await transaction.start()
        role = "anon" if actor == "anon" else "authenticated"
        claims = {"role": role} | ({} if actor == "anon" else {"sub": str(getattr(self, actor))})
        await connection.execute(f"set local role {role}")
        await connection.execute("select set_config('request.jwt.claims', $1, true)", orjson.dumps(claims).decode())
        try:
            yield connection
        finally:
            await transaction.rollback()
            await connection.close()

    async def attempt(self, actor: str, statement: str) -> str:
        """What comes of a statement: shown, changed, nothing or denied."""
        async with self.acting_as(actor) as connection:
            try:
                if statement.startswith("select"):
                    return "shown" if await connection.fetch(statement) else "nothing"
                status = await connection.execute(statement)
                return "nothing" if status.split()[-1] == "0" else "changed"
            except asyncpg.InsufficientPrivilegeError:
                return "denied"

    def row(self, table: str) -> str:
        """The condition that finds the owner's row."""
        if SELECT[table] is CATALOGUE:
            return "is_active"
        return f"{'id' if table == 'users' else 'user_id'} = '{self.owner}'"


@pytest.fixture(scope="session")
async def clients(server: Server, accounts: Accounts) -> Clients:
    owner, other = await accounts.user(plan=3), await accounts.user()
    await accounts.succeeded(owner)
    await accounts.database.execute(
        "insert into public.credit_packs (id, name, credits, price_piastres) values (1, 'Small', 10, 5000)"
        " on conflict do nothing"
    )
    order = await accounts.database.fetchval(
        "insert into public.orders (user_id, credit_pack_id, amount_piastres, expires_at)"
        " values ($1, 1, 5000, now()) returning id",
        owner,
    )
    await accounts.database.execute(
        "insert into public.payments"
        " (user_id, order_id, transaction_id, kind, amount_piastres, currency, success, callback)"
        " values ($1, $2, 1, 'transaction', 5000, 'EGP', true, '{}')",
        owner,
        order,
    )
    return Clients(server.dsn("authenticator"), owner, other)


async def columns(accounts: Accounts, table: str) -> list[str]:
    rows = await accounts.database.fetch(
        "select column_name from information_schema.columns where table_schema = 'public' and table_name = $1", table
    )
    return [row["column_name"] for row in rows]


async def test_the_expectation_covers_every_public_table(accounts: Accounts) -> None:
    rows = await accounts.database.fetch("select tablename from pg_catalog.pg_tables where schemaname = 'public'")
    assert {row["tablename"] for row in rows} == set(SELECT)


async def test_every_table_has_row_level_security(accounts: Accounts) -> None:
    rows = await accounts.database.fetch(
        "select format('%I.%I', schemaname, tablename) as name from pg_catalog.pg_tables"
        " where schemaname in ('public', 'sparky', 'cache') and not rowsecurity"
    )
    assert [row["name"] for row in rows] == []


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("table", SELECT)
async def test_select(clients: Clients, table: str, actor: str) -> None:
    assert (
        await clients.attempt(actor, f"select 1 from public.{table} where {clients.row(table)}") == SELECT[table][actor]
    )


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("table", SELECT)
async def test_insert(clients: Clients, table: str, actor: str) -> None:
    assert await clients.attempt(actor, f"insert into public.{table} default values") == "denied"


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("table", SELECT)
async def test_delete(clients: Clients, table: str, actor: str) -> None:
    assert await clients.attempt(actor, f"delete from public.{table} where {clients.row(table)}") == "denied"
    assert await clients.attempt(actor, f"truncate public.{table} cascade") == "denied"


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("table", SELECT)
async def test_update_column_by_column(clients: Clients, accounts: Accounts, table: str, actor: str) -> None:
    reached = {"owner": "changed", "other": "nothing", "anon": "denied"}[actor]
    for column in await columns(accounts, table):
        expected = reached if column in WRITABLE.get(table, set()) else "denied"
        statement = f"update public.{table} set {column} = default where {clients.row(table)}"
        assert await clients.attempt(actor, statement) == expected, column


@pytest.mark.parametrize("column", USERS_COLUMNS_SHOWN)
async def test_each_column_of_users_is_shown_to_its_owner_or_hidden(clients: Clients, column: str) -> None:
    expected = "shown" if USERS_COLUMNS_SHOWN[column] else "denied"
    statement = f"select {column} from public.users where {clients.row('users')}"
    assert await clients.attempt("owner", statement) == expected
    assert await clients.attempt("anon", statement) == "denied"


async def test_the_expectation_covers_every_column_of_users(accounts: Accounts) -> None:
    assert set(await columns(accounts, "users")) == set(USERS_COLUMNS_SHOWN)


async def test_internal_columns_of_a_generation_are_hidden_from_its_owner(clients: Clients, accounts: Accounts) -> None:
    hidden = set()
    for column in await columns(accounts, "generations"):
        statement = f"select {column} from public.generations where {clients.row('generations')}"
        if await clients.attempt("owner", statement) == "denied":
            hidden.add(column)
    assert hidden == GENERATION_COLUMNS_HIDDEN


@pytest.mark.parametrize("table", [
    "sparky.holds", "sparky.workers", "sparky.period_grants", "sparky.payment_events", "sparky.subscriptions",
    "sparky.operator_actions", "cache.kv_store",
])  # fmt: skip
@pytest.mark.parametrize("actor", ACTORS)
async def test_private_tables_are_out_of_reach(clients: Clients, table: str, actor: str) -> None:
    assert await clients.attempt(actor, f"select 1 from {table}") == "denied"


async def test_no_client_role_may_execute_any_function_of_ours(accounts: Accounts) -> None:
    rows = await accounts.database.fetch(
        "select grantee.name || ' ' || oid::regprocedure as found from pg_catalog.pg_proc,"
        " (values ('anon'), ('authenticated'), ('service_role')) as grantee (name)"
        " where pronamespace = 'sparky'::regnamespace and has_function_privilege(grantee.name, oid, 'execute')"
    )
    assert [row["found"] for row in rows] == []


async def test_every_function_of_ours_pins_its_search_path(accounts: Accounts) -> None:
    rows = await accounts.database.fetch(
        "select oid::regprocedure::text as name from pg_catalog.pg_proc"
        " where pronamespace = 'sparky'::regnamespace"
        " and not coalesce('search_path=pg_catalog, pg_temp' = any (proconfig), false)"
    )
    assert [row["name"] for row in rows] == []


@pytest.mark.parametrize("role", ["sparky_intake", "sparky_worker"])
async def test_login_roles_reach_no_table_and_only_their_own_functions(
    server: Server, accounts: Accounts, role: str
) -> None:
    tables = await accounts.database.fetch(
        "select c.oid::regclass::text as name from pg_catalog.pg_class as c"
        " join pg_catalog.pg_namespace as n on n.oid = relnamespace"
        " where nspname in ('public', 'sparky', 'cache', 'auth', 'storage') and relkind in ('r', 'v')"
        " and (has_table_privilege($1, c.oid, 'select, insert, update, delete, truncate')"
        " or has_any_column_privilege($1, c.oid, 'select, update'))",
        role,
    )
    assert [row["name"] for row in tables] == []
    connection = await asyncpg.connect(server.dsn(role))
    try:
        foreign = "start_generation(gen_random_uuid(), 'w')" if role == "sparky_intake" else "cancel_generation($1, $1)"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch(f"select * from sparky.{foreign.replace('$1', 'gen_random_uuid()')}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("select sparky.write_ledger(gen_random_uuid(), 'grant', 1, null, null, null)")
    finally:
        await connection.close()


async def upload(clients: Clients, actor: str, bucket: str, name: str) -> str:
    return await clients.attempt(actor, f"insert into storage.objects (bucket_id, name) values ('{bucket}', '{name}')")


async def test_uploads_go_to_ones_own_folder_only(clients: Clients) -> None:
    assert await upload(clients, "owner", "user_uploads", f"{clients.owner}/a.jpg") == "changed"
    assert await upload(clients, "other", "user_uploads", f"{clients.owner}/a.jpg") == "denied"
    assert await upload(clients, "anon", "user_uploads", f"{clients.owner}/a.jpg") == "denied"
    assert await upload(clients, "owner", "user_uploads", "a.jpg") == "denied"
    assert await upload(clients, "owner", "generations", f"{clients.owner}/a.jpg") == "denied"


async def test_a_photo_is_seen_by_its_owner_only(clients: Clients, accounts: Accounts) -> None:
    path = await accounts.photo(clients.owner)
    statement = f"select 1 from storage.objects where name = '{path}'"
    assert [await clients.attempt(actor, statement) for actor in ("owner", "other", "anon")] == [
        "shown",
        "nothing",
        "nothing",
    ]


async def test_a_result_is_listed_by_its_owner_once_it_is_settled_and_not_before(
    clients: Clients, accounts: Accounts
) -> None:
    generation, fence = await accounts.started(clients.owner)
    name = (await accounts.generation(generation))["object_name"]
    await accounts.database.execute("insert into storage.objects (bucket_id, name) values ('generations', $1)", name)
    statement = f"select 1 from storage.objects where bucket_id = 'generations' and name = '{name}'"
    assert await clients.attempt("owner", statement) == "nothing"
    await accounts.settle(generation, fence)
    assert [await clients.attempt(actor, statement) for actor in ("owner", "other", "anon")] == [
        "shown",
        "nothing",
        "nothing",
    ]


async def test_a_channel_is_heard_by_its_own_user_only(clients: Clients, accounts: Accounts) -> None:
    topic = f"user:{clients.owner}"
    await accounts.database.execute("select realtime.send('{}', 'generation', $1, true)", topic)
    heard = {}
    for actor in ACTORS:
        async with clients.acting_as(actor) as connection:
            await connection.execute("select set_config('realtime.topic', $1, true)", topic)
            try:
                heard[actor] = bool(await connection.fetch("select 1 from realtime.messages where topic = $1", topic))
            except asyncpg.InsufficientPrivilegeError:
                heard[actor] = False
    assert heard == {"owner": True, "other": False, "anon": False}


async def test_nobody_sends_on_a_users_channel(clients: Clients) -> None:
    statement = f"insert into realtime.messages (topic, extension) values ('user:{clients.owner}', 'broadcast')"
    assert [await clients.attempt(actor, statement) for actor in ACTORS] == ["denied"] * 3


async def test_a_preference_that_is_no_object_or_too_long_is_refused(clients: Clients) -> None:
    for value in ("'[]'", "jsonb_build_object('a', repeat('x', 3000))"):
        async with clients.acting_as("owner") as connection:
            with pytest.raises(asyncpg.CheckViolationError):
                await connection.execute(
                    f"update public.users set notification_preferences = {value} where id = $1", clients.owner
                )


async def test_a_disabled_tool_disappears_from_clients(clients: Clients, accounts: Accounts) -> None:
    tool = f"test-{uuid4().hex}"
    await accounts.database.execute(
        "insert into public.tools (id, type, name_key, description_key, icon_name, is_active)"
        " values ($1, 'FILTER', '', '', '', false)",
        tool,
    )
    assert await clients.attempt("owner", f"select 1 from public.tools where id = '{tool}'") == "nothing"
