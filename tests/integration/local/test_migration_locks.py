"""No migration stops Auth, Storage or Realtime: whatever it locks of theirs, it locks with its last statement.

A file is one transaction for the runner and for the Supabase CLI, so what one statement locks stays locked while the
next ones work or wait. Reading is no matter: it keeps nobody from anything.
"""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from deploy.local.migrate import SUPABASE, MigrationFailed, migrate, migrations_in
from deploy.local.postgres import Postgres
from tests.support.servers import platform_server

FILES = [migration.file for migration in migrations_in(SUPABASE / "migrations")]
LONGEST_WAIT_SECONDS = 3
PART = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"[^\"]*\"|(\$\w*\$).*?\1|;|[^-/'\"$;]+|.", re.DOTALL)
LOCKED = """
    select distinct relation::regclass::text || ' ' || mode from pg_catalog.pg_locks
    join pg_catalog.pg_class on pg_class.oid = relation
    join pg_catalog.pg_namespace on pg_namespace.oid = relnamespace and nspname in ('auth', 'storage', 'realtime')
    where pid = pg_backend_pid() and mode <> 'AccessShareLock' order by 1
"""
# What hosted Supabase does with whoever is no superuser, which the embedded stack leaves out.
LOCKS_OF_HOSTED = """
    create function extensions.lock_as_hosted_does() returns event_trigger language plpgsql security definer as $$
    begin
        lock table auth.users, storage.buckets, storage.objects, realtime.messages in access exclusive mode;
    end
    $$;
    create event trigger lock_as_hosted_does on ddl_command_start
    when tag in ('CREATE POLICY', 'ALTER POLICY', 'DROP POLICY', 'DROP TRIGGER')
    execute function extensions.lock_as_hosted_does();
"""


def statements(sql: str) -> list[str]:
    """The file's statements, without comments and blank ones."""
    found = [""]
    for part in PART.finditer(sql):
        if part[0] == ";":
            found.append("")
        elif not part[0].startswith(("--", "/*")):
            found[-1] += part[0]
    return [statement.strip() for statement in found if statement.strip()]


@pytest.fixture(scope="module")
async def hosted(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    async with platform_server(tmp_path_factory.mktemp("hosted")) as server:
        superuser = await asyncpg.connect(server.dsn())
        await superuser.execute(LOCKS_OF_HOSTED)
        await superuser.close()
        yield server


@pytest.fixture
async def connection(hosted: Postgres) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """As role `postgres`."""
    connection = await asyncpg.connect(hosted.dsn("postgres"), statement_cache_size=0)
    yield connection
    await connection.close()


def test_statements_are_told_apart() -> None:
    sql = "-- a;\nselect ';'; do $$ begin perform 1; end $$;/* ; */ select \"a;b\", $x$;$$;$x$ ;\n"
    assert statements(sql) == ["select ';'", "do $$ begin perform 1; end $$", 'select "a;b", $x$;$$;$x$']


async def test_what_a_statement_locks_of_supabases_own_tables_outlives_no_other_statement(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    kept = []
    for file in FILES:
        async with connection.transaction():
            for statement in statements(file.read_text()):
                locked = [row[0] for row in await connection.fetch(LOCKED)]
                kept += [(file.name, statement.partition("\n")[0], lock) for lock in locked]
                await connection.execute(statement)
        await connection.execute("reset all")
    assert kept == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_file_waits_long_for_a_lock(file: Path) -> None:
    first = re.fullmatch(r"set lock_timeout = '(\d+)s'", statements(file.read_text())[0])
    assert first is not None, "the first statement sets lock_timeout"
    assert int(first[1]) <= LONGEST_WAIT_SECONDS


async def test_a_migration_that_meets_a_busy_table_gives_up_whole_and_goes_on_the_next_time(tmp_path: Path) -> None:
    async with platform_server(tmp_path) as server:
        storage = await asyncpg.connect(server.dsn("supabase_storage_admin"))
        transaction = storage.transaction()
        await transaction.start()
        await storage.execute("lock table storage.objects in row exclusive mode")  # as a long upload does
        with pytest.raises(MigrationFailed, match="lock timeout"):
            await migrate(server.dsn("postgres"))
        await transaction.rollback()
        await storage.close()

        ran = await migrate(server.dsn("postgres"))

        assert ran
        assert ran[-1] == "seed.sql"
