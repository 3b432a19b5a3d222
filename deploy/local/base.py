"""What a hosted Supabase project provides before the first migration, laid down in a fresh database."""

from collections.abc import Mapping
from pathlib import Path

import asyncpg
import orjson

FOLDER = Path(__file__).with_name("base")
LEGACY = "90_legacy_default_privileges.sql"


async def apply_base(superuser_dsn: str, *, legacy_privileges: bool = True) -> bool:
    """Run `base/*.sql` once, in one transaction; False when the database has it already.

    Without `legacy_privileges`, new objects in `public` are not granted to the API roles by themselves.
    """
    connection = await asyncpg.connect(superuser_dsn, timeout=10, command_timeout=60)
    try:
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock(hashtext('sparky base'))")
            if await connection.fetchval("select to_regnamespace('auth') is not null"):
                return False
            for file in sorted(FOLDER.glob("*.sql")):
                if legacy_privileges or file.name != LEGACY:
                    await connection.execute(file.read_text())
        return True
    finally:
        await connection.close()


async def set_passwords(superuser_dsn: str, passwords: Mapping[str, str]) -> None:
    """Let those of these roles that exist log in with these passwords."""
    connection = await asyncpg.connect(superuser_dsn, timeout=10, command_timeout=60)
    try:
        statements = await connection.fetch(
            "select format('alter role %I login password %L', rolname, $1::jsonb ->> rolname) as sql"
            " from pg_catalog.pg_roles where $1::jsonb ? rolname::text",
            orjson.dumps(dict(passwords)).decode(),
        )
        await connection.execute(";".join(row["sql"] for row in statements))
    finally:
        await connection.close()
