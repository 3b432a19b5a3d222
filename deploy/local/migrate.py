"""Migrations: every file of `deploy/supabase/migrations` once, in order, then the seed.

What ran is recorded where the Supabase CLI records it (`supabase_migrations.schema_migrations`), so either may carry
on where the other stopped. Each file is one transaction together with its record: it is there whole or not at all.
Runs as role `postgres`; two runners at once take turns.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import asyncpg

SUPABASE = Path(__file__).parents[1] / "supabase"
FILE_NAME = re.compile(r"(\d+)_(.+)\.sql")
STATEMENT_SECONDS = 600

HISTORY = """
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (version text not null primary key);
alter table supabase_migrations.schema_migrations add column if not exists statements text[];
alter table supabase_migrations.schema_migrations add column if not exists name text;
create table if not exists supabase_migrations.seed_files (path text not null primary key, hash text not null);
"""
TAKE_TURNS = "select pg_advisory_xact_lock(hashtext('sparky migrations'))"


class MigrationFailed(RuntimeError):  # noqa: N818 - it is what happened
    """A file was refused and rolled back; the ones before it stay. Carries the file, the line and Postgres' words."""


@dataclass(frozen=True)
class Migration:
    version: str
    name: str
    file: Path


def migrations_in(folder: Path) -> list[Migration]:
    """In the order they run. Raises ValueError for a file that the Supabase CLI would skip or confuse."""
    found: dict[str, Migration] = {}
    for file in sorted(folder.glob("*.sql")):
        parts = FILE_NAME.fullmatch(file.name)
        if parts is None or parts[1] in found:
            raise ValueError(f"{file.name}: a migration is named <version>_<name>.sql, each version once")
        found[parts[1]] = Migration(parts[1], parts[2], file)
    return list(found.values())


async def migrate(dsn: str, *, folder: Path = SUPABASE, report: Callable[[str], None] = lambda _: None) -> list[str]:
    """Bring a database up to date; returns the names of the files that ran, none when it was.

    `folder` holds `migrations/` and `seed.sql`. The seed runs whenever its content changed.
    Raises `MigrationFailed`, or `OSError` and `asyncpg.PostgresError` when the database cannot be reached.
    """
    connection = await asyncpg.connect(dsn, timeout=10, command_timeout=STATEMENT_SECONDS, statement_cache_size=0)
    try:
        if not await connection.fetchval("select to_regclass('supabase_migrations.seed_files') is not null"):
            async with connection.transaction():
                await connection.execute(TAKE_TURNS)
                await connection.execute(HISTORY)
        ran = await _run_migrations(connection, migrations_in(folder / "migrations"), report)
        seed = folder / "seed.sql"
        if seed.exists() and await _run_seed(connection, seed, seed.read_text()):
            report(seed.name)
            ran.append(seed.name)
        return ran
    finally:
        await connection.close()


async def _run_migrations(
    connection: "asyncpg.Connection[asyncpg.Record]", migrations: list[Migration], report: Callable[[str], None]
) -> list[str]:
    known = await _known_versions(connection)
    ran = []
    for migration in migrations:
        if migration.version in known:
            continue
        async with connection.transaction():
            await connection.execute(TAKE_TURNS)
            if migration.version in await _known_versions(connection):
                continue
            sql = migration.file.read_text()
            await _execute(connection, migration.file, sql)
            await connection.execute(
                "insert into supabase_migrations.schema_migrations (version, statements, name) values ($1, $2, $3)",
                migration.version,
                [sql],
                migration.name,
            )
        report(migration.file.name)
        ran.append(migration.file.name)
    return ran


async def _known_versions(connection: "asyncpg.Connection[asyncpg.Record]") -> set[str]:
    rows = await connection.fetch("select version from supabase_migrations.schema_migrations")
    return {row["version"] for row in rows}


async def _run_seed(connection: "asyncpg.Connection[asyncpg.Record]", seed: Path, sql: str) -> bool:
    digest = hashlib.sha256(sql.encode()).hexdigest()
    async with connection.transaction():
        await connection.execute(TAKE_TURNS)
        known = await connection.fetchval(
            "select hash from supabase_migrations.seed_files where path = $1", f"supabase/{seed.name}"
        )
        if known == digest:
            return False
        await _execute(connection, seed, sql)
        await connection.execute(
            "insert into supabase_migrations.seed_files (path, hash) values ($1, $2)"
            " on conflict (path) do update set hash = excluded.hash",
            f"supabase/{seed.name}",
            digest,
        )
    return True


async def _execute(connection: "asyncpg.Connection[asyncpg.Record]", file: Path, sql: str) -> None:
    """The whole file as one simple query. What it sets (`set lock_timeout`) ends with it."""
    try:
        await connection.execute(sql)
    except asyncpg.PostgresError as error:
        position = getattr(error, "position", None)
        line = sql.count("\n", 0, int(position)) + 1 if position else None
        where = f"{file.name}, line {line}" if line else file.name
        raise MigrationFailed(f"{where}: {error}") from error
    await connection.execute("reset all")
