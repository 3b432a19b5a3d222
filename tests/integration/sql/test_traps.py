"""Traps of Supabase's grants, policies, triggers and migrations, each of which has bitten somebody.

What clients may do to each table is in `test_access`; here is what a matrix of statements does not show.
"""

import re
from pathlib import Path

import asyncpg
import pytest

from deploy.local.migrate import SUPABASE
from tests.integration.sql.conftest import Server
from tests.support.accounts import Accounts

MIGRATIONS = sorted((SUPABASE / "migrations").glob("*.sql"))
OURS = "('public', 'sparky', 'cache')"
# Functions whose text may not hold these words, and why.
FORBIDDEN_IN_FUNCTIONS = {
    "auth.uid()": "it is null on our own connections: whose row it is comes as an argument",
    "request.jwt": "as above",
    "delete from storage.": "the row would go and the bytes stay",
    "pg_advisory_lock(": "a transaction pooler gives the session to somebody else",
    "listen ": "as above",
}


def sql_of(migration: Path) -> str:
    """Its statements in lower case, without comments."""
    return re.sub(r"--[^\n]*", "", migration.read_text()).lower()


async def found(accounts: Accounts, query: str) -> list[str]:
    return [row[0] for row in await accounts.database.fetch(query)]


async def test_no_client_role_keeps_a_privilege_that_is_not_reading_or_writing_rows(accounts: Accounts) -> None:
    # `revoke select, insert, update, delete` leaves these where everything had been granted by default.
    assert (
        await found(
            accounts,
            "select format('%s %s %s', grantee, privilege_type, table_name)"
            " from information_schema.role_table_grants"
            f" where table_schema in {OURS} and grantee in ('PUBLIC', 'anon', 'authenticated', 'service_role')"
            " and privilege_type not in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')",
        )
        == []
    )


async def test_no_client_role_may_use_a_sequence(accounts: Accounts) -> None:
    assert (
        await found(
            accounts,
            "select role || ' ' || oid::regclass from pg_catalog.pg_class,"
            " unnest(array['anon', 'authenticated', 'service_role']) as role"
            f" where relkind = 'S' and relnamespace::regnamespace::text in {OURS}"
            " and has_sequence_privilege(role, oid, 'usage, select, update')",
        )
        == []
    )


async def test_the_secret_key_reads_every_public_table_and_writes_none(accounts: Accounts) -> None:
    # Passing row level security is no privilege: it is granted, in both worlds of default privileges, or missing.
    tables = (
        "select oid::regclass::text from pg_catalog.pg_class where relnamespace = 'public'::regnamespace"
        " and relkind in ('r', 'v', 'm')"
    )
    every = set(await found(accounts, tables))
    assert set(await found(accounts, f"{tables} and has_table_privilege('service_role', oid, 'select')")) == every
    writing = "has_any_column_privilege('service_role', oid, 'insert, update')"
    removing = "has_table_privilege('service_role', oid, 'delete, truncate')"
    assert await found(accounts, f"{tables} and ({writing} or {removing})") == []


async def test_no_update_is_granted_on_a_whole_table(accounts: Accounts) -> None:
    # With it, taking a single column back would change nothing.
    assert (
        await found(
            accounts,
            "select grantee || ' ' || table_name from information_schema.role_table_grants"
            f" where table_schema in {OURS} and privilege_type in ('INSERT', 'UPDATE', 'DELETE')"
            " and grantee in ('PUBLIC', 'anon', 'authenticated', 'service_role')",
        )
        == []
    )


async def test_the_served_schema_has_no_function_and_no_view(accounts: Accounts) -> None:
    # Functions are executable by everybody until it is taken back, and views pass row level security by.
    assert await found(accounts, "select proname from pg_proc where pronamespace = 'public'::regnamespace") == []
    assert (
        await found(
            accounts,
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('v', 'm')",
        )
        == []
    )


async def test_nobody_but_the_owner_and_its_caller_may_execute_a_function(accounts: Accounts) -> None:
    assert (
        await found(
            accounts,
            "select format('%s %s', oid::regprocedure, coalesce(nullif(grantee, 0)::regrole::text, 'public'))"
            " from pg_catalog.pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))"
            " where pronamespace = 'sparky'::regnamespace and grantee <> proowner"
            " and (grantee = 0 or grantee::regrole::text not in ('sparky_intake', 'sparky_worker'))",
        )
        == []
    )


@pytest.mark.parametrize("words", FORBIDDEN_IN_FUNCTIONS)
async def test_no_function_relies_on(accounts: Accounts, words: str) -> None:
    functions = await accounts.database.fetch(
        "select proname, lower(prosrc) as source from pg_catalog.pg_proc where pronamespace = 'sparky'::regnamespace"
    )
    assert [row["proname"] for row in functions if words in row["source"]] == [], FORBIDDEN_IN_FUNCTIONS[words]


async def test_every_policy_names_its_roles_and_asks_who_it_is_once_a_statement(accounts: Accounts) -> None:
    policies = await accounts.database.fetch(
        "select format('%s on %s.%s', policyname, schemaname, tablename) as name, roles::text[] as roles,"
        " coalesce(qual, '') || ' ' || coalesce(with_check, '') as expression from pg_catalog.pg_policies"
    )
    assert len(policies) > 15
    for policy in policies:
        assert set(policy["roles"]) <= {"anon", "authenticated"}, policy["name"]
        # Inside a sub-select it is asked once; bare, once for each row.
        bare = re.sub(r"\( ?SELECT (auth\.uid\(\)|realtime\.topic\(\)) AS \w+\)", "", policy["expression"])
        assert "auth." not in bare, policy["name"]
        assert "realtime." not in bare, policy["name"]
        # Users write these themselves.
        assert "user_metadata" not in policy["expression"], policy["name"]


async def test_what_a_policy_compares_is_indexed(accounts: Accounts) -> None:
    assert (
        await found(
            accounts,
            "select oid::regclass::text from pg_catalog.pg_class as c"
            " join pg_catalog.pg_attribute as a on a.attrelid = c.oid and attname = 'user_id' and not attisdropped"
            " where relkind = 'r' and relnamespace = 'public'::regnamespace and not exists ("
            "   select from pg_catalog.pg_index where indrelid = c.oid and indkey[0] = attnum and indpred is null)",
        )
        == []
    )


async def test_what_realtime_tells_has_a_key_and_whole_rows(accounts: Accounts) -> None:
    # Without a key a change is an error to its listeners; without the old row a large column that stayed is missing.
    published = await accounts.database.fetch(
        "select c.oid::regclass::text as name, relreplident = 'f' as whole,"
        " exists (select from pg_catalog.pg_index where indrelid = c.oid and indisprimary) as has_key,"
        " exists (select from pg_catalog.pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped"
        "   and atttypid = 'jsonb'::regtype) as has_large"
        " from pg_catalog.pg_publication_tables join pg_catalog.pg_class as c"
        " on c.oid = format('%I.%I', schemaname, tablename)::regclass"
        " where pubname = 'supabase_realtime'"
    )
    assert len(published) >= 6
    for table in published:
        assert table["has_key"], table["name"]
        assert table["whole"] or not table["has_large"], table["name"]


async def test_every_table_that_is_told_can_be_read_by_those_who_listen(accounts: Accounts) -> None:
    # Otherwise each of them gets an error for every change.
    assert (
        await found(
            accounts,
            "select tablename from pg_catalog.pg_publication_tables where pubname = 'supabase_realtime'"
            " and not has_any_column_privilege('authenticated', format('%I.%I', schemaname, tablename), 'select')",
        )
        == []
    )


async def test_sign_up_opens_the_account_under_auths_own_role_and_search_path(
    server: Server, accounts: Accounts
) -> None:
    user = await accounts.database.fetchval("select gen_random_uuid()")
    auth = await asyncpg.connect(server.dsn("supabase_auth_admin"))
    try:
        assert await auth.fetchval("show search_path") == "auth"
        await auth.execute("insert into users (id, email) values ($1, $2)", user, f"{user}@example.com")
    finally:
        await auth.close()
    assert await accounts.balance(user) == 10


async def test_uploads_are_looked_at_under_storages_own_role_and_search_path(
    server: Server, accounts: Accounts
) -> None:
    user = await accounts.user()
    name = f"{user}/{'0' * 64}"
    storage = await asyncpg.connect(server.dsn("supabase_storage_admin"))
    insert = "insert into objects (bucket_id, name) values ('generations', $1)"
    try:
        assert await storage.fetchval("show search_path") == "storage"
        probe = storage.transaction()  # each upload is first tried and taken back
        await probe.start()
        await storage.execute(insert, name)
        await probe.rollback()
        await storage.execute(insert, name)
    finally:
        await storage.close()
    removals = "select count(*) from sparky.object_removals where object_name = $1"
    assert await accounts.database.fetchval(removals, name) == 1


@pytest.mark.parametrize("migration", MIGRATIONS, ids=lambda path: path.stem)
def test_a_migration_waits_for_no_lock_for_long(migration: Path) -> None:
    first = sql_of(migration).strip().splitlines()[0]
    wait = re.fullmatch(r"set lock_timeout = '(\d+)s';", first)
    assert wait is not None, first
    assert 1 <= int(wait[1]) <= 5


@pytest.mark.parametrize("migration", MIGRATIONS, ids=lambda path: path.stem)
def test_a_migration_drops_no_policy_and_no_trigger_and_replaces_its_own(migration: Path) -> None:
    # On hosted Supabase dropping either locks the tables of Auth and Storage, whatever it is dropped from.
    sql = sql_of(migration)
    assert not re.search(r"\bdrop (policy|trigger)\b", sql)
    assert not re.search(r"\bcreate (constraint )?trigger\b", sql)


@pytest.mark.parametrize("migration", MIGRATIONS, ids=lambda path: path.stem)
def test_a_migration_that_makes_policies_does_nothing_that_could_wait(migration: Path) -> None:
    # Creating a policy locks the tables of Auth and Storage until the transaction ends: nothing slow may follow it.
    sql = sql_of(migration)
    if re.search(r"\b(create|alter) policy\b", sql):
        kinds = set(
            re.findall(r"^(create|alter|insert|update|delete|grant|revoke|drop)\b[^;]*?(?=;)", sql, re.MULTILINE)
        )
        assert kinds <= {"alter"}
        assert set(re.findall(r"^alter table [\w.]+ ([a-z ]+);", sql, re.MULTILINE)) <= {"enable row level security"}


@pytest.mark.parametrize("migration", MIGRATIONS, ids=lambda path: path.stem)
def test_a_migration_changes_nothing_that_belongs_to_supabase(migration: Path) -> None:
    # Refused on hosted Supabase since postgres lost the platform's roles.
    sql = sql_of(migration)
    for pattern in (
        r"alter table (auth|storage|realtime)\.",
        r"create (unique )?index [^;]* on (auth|storage|realtime)\.",
        r"create (or replace )?(function|table|view) (if not exists )?(auth|storage|realtime)\.",
        r"comment on trigger [^;]* on (auth|storage|realtime)\.",
        r"grant [^;]* on schema (auth|storage|realtime)",
        r"(update|delete from) (cron\.job|storage\.objects)\b",
    ):
        assert not re.search(pattern, sql), pattern
