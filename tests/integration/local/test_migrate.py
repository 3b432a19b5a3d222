"""The migration runner: once, in order, whole or not at all, and in the Supabase CLI's books."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from deploy.local.migrate import SUPABASE, MigrationFailed, migrate, migrations_in
from deploy.local.postgres import Postgres
from tests.support.servers import PASSWORD


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("migrate"), PASSWORD, durable=False)
    await server.start()
    yield server
    await server.stop()
    server.destroy()


@pytest.fixture
async def connection(
    server: Postgres, request: pytest.FixtureRequest
) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A database of the test's own."""
    admin = await asyncpg.connect(server.dsn())
    name = f"d{abs(hash(request.node.name))}"
    await admin.execute(f"create database {name}")
    connection = await asyncpg.connect(address(server, name))
    yield connection
    await connection.close()
    await admin.execute(f"drop database {name}")
    await admin.close()


def address(server: Postgres, database: str) -> str:
    return server.dsn().rsplit("/", 1)[0] + f"/{database}"


@pytest.fixture
def dsn(server: Postgres, connection: "asyncpg.Connection[asyncpg.Record]", request: pytest.FixtureRequest) -> str:
    return address(server, f"d{abs(hash(request.node.name))}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "migrations").mkdir()
    write(tmp_path, "20260101000000_first.sql", "create table a (n int); insert into a values (1);")
    write(tmp_path, "20260102000000_second_one.sql", "set lock_timeout = '3s'; insert into a values (2);")
    (tmp_path / "seed.sql").write_text("insert into a values (100);")
    return tmp_path


def write(folder: Path, name: str, sql: str) -> None:
    (folder / "migrations" / name).write_text(sql)


async def test_files_run_in_order_and_then_the_seed(
    connection: "asyncpg.Connection[asyncpg.Record]", dsn: str, folder: Path
) -> None:
    said: list[str] = []
    ran = await migrate(dsn, folder=folder, report=said.append)

    assert ran == said == ["20260101000000_first.sql", "20260102000000_second_one.sql", "seed.sql"]
    assert [row["n"] for row in await connection.fetch("select n from a")] == [1, 2, 100]


async def test_they_are_recorded_as_the_supabase_cli_does(
    connection: "asyncpg.Connection[asyncpg.Record]", dsn: str, folder: Path
) -> None:
    await migrate(dsn, folder=folder)

    rows = await connection.fetch("select version, name from supabase_migrations.schema_migrations order by version")
    assert [tuple(row) for row in rows] == [("20260101000000", "first"), ("20260102000000", "second_one")]


async def test_running_twice_changes_nothing(
    connection: "asyncpg.Connection[asyncpg.Record]", dsn: str, folder: Path
) -> None:
    await migrate(dsn, folder=folder)

    assert await migrate(dsn, folder=folder) == []
    assert await connection.fetchval("select count(*) from a") == 3


async def test_only_what_is_new_runs(connection: "asyncpg.Connection[asyncpg.Record]", dsn: str, folder: Path) -> None:
    await migrate(dsn, folder=folder)
    write(folder, "20260103000000_third.sql", "insert into a values (3);")
    (folder / "seed.sql").write_text("insert into a values (200);")

    assert await migrate(dsn, folder=folder) == ["20260103000000_third.sql", "seed.sql"]


async def test_what_the_supabase_cli_ran_is_not_run_again(
    connection: "asyncpg.Connection[asyncpg.Record]", dsn: str, folder: Path
) -> None:
    await connection.execute(
        "create table a (n int); create schema supabase_migrations;"
        "create table supabase_migrations.schema_migrations (version text primary key, statements text[], name text);"
        "insert into supabase_migrations.schema_migrations values ('20260101000000', null, 'first')"
    )

    assert await migrate(dsn, folder=folder) == ["20260102000000_second_one.sql", "seed.sql"]


async def test_a_refused_file_leaves_nothing_and_says_where(
    connection: "asyncpg.Connection[asyncpg.Record]", dsn: str, folder: Path
) -> None:
    write(folder, "20260103000000_third.sql", "insert into a values (3);\nselect nonsense;")

    with pytest.raises(MigrationFailed, match=r"20260103000000_third\.sql, line 2: .*nonsense"):
        await migrate(dsn, folder=folder)

    assert [row["n"] for row in await connection.fetch("select n from a")] == [1, 2], "the earlier files stay"
    assert await connection.fetchval("select count(*) from supabase_migrations.schema_migrations") == 2


async def test_runners_at_once_take_turns(
    connection: "asyncpg.Connection[asyncpg.Record]", dsn: str, folder: Path
) -> None:
    ran = await asyncio.gather(*(migrate(dsn, folder=folder) for _ in range(4)))

    assert sorted(name for names in ran for name in names) == [
        "20260101000000_first.sql",
        "20260102000000_second_one.sql",
        "seed.sql",
    ]


@pytest.mark.parametrize("name", ["no_version.sql", "20260101000000_once_more.sql"])
def test_a_name_that_the_supabase_cli_would_not_understand_is_refused(folder: Path, name: str) -> None:
    write(folder, name, "")

    with pytest.raises(ValueError, match=name):
        migrations_in(folder / "migrations")


def test_our_own_files_are_named_well() -> None:
    assert migrations_in(SUPABASE / "migrations")


async def test_our_own_migrations_run_twice_on_every_version(platform: Postgres) -> None:
    dsn = platform.dsn("postgres")

    assert await migrate(dsn)
    assert await migrate(dsn) == []
