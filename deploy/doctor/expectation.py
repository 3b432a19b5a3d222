"""What a sound database looks like: a scratch PostgreSQL, migrated a moment ago, read as the real one is."""

import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from deploy.doctor import (
    abilities,
    buckets,
    functions,
    history,
    invariants,
    publication,
    roles,
    rows,
    triggers,
    views,
)
from deploy.doctor.family import SCHEMAS, Connection, Family, Place
from deploy.local.base import apply_base, set_passwords
from deploy.local.migrate import migrate
from deploy.local.postgres import Postgres

FAMILIES: tuple[Family, ...] = (
    history.FAMILY,
    invariants.FAMILY,
    abilities.FAMILY,
    rows.FAMILY,
    triggers.FAMILY,
    views.FAMILY,
    functions.FAMILY,
    roles.FAMILY,
    publication.FAMILY,
    buckets.FAMILY,
)
OURS = "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = any ($1)"
SESSION = """
select set_config('search_path', '', true), set_config('lock_timeout', '2s', true),
    set_config('statement_timeout', '300s', true)
"""


@dataclass(frozen=True)
class Expectation:
    """The migrations' tables, and each family's facts where nothing is wrong."""

    ours: frozenset[str]
    facts: dict[str, Any]


@asynccontextmanager
async def undone(connection: Connection) -> AsyncIterator[None]:
    """A transaction whose every change is rolled back, with nothing in the search path, and short locks."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(SESSION)
        yield
    finally:
        await transaction.rollback()


async def read_expectation(dsn: str) -> Expectation:
    """From a database that has just been migrated."""
    connection = await asyncpg.connect(dsn, timeout=10, command_timeout=300)
    try:
        async with undone(connection):
            ours = frozenset(row["name"] for row in await connection.fetch(OURS, SCHEMAS))
            place = Place(connection, ours)
            return Expectation(ours, {family.name: await family.look(place) for family in FAMILIES})
    finally:
        await connection.close()


async def expectation_of_the_migrations() -> Expectation:
    """Starts a scratch PostgreSQL for it, which is gone afterwards; takes a few seconds."""
    with tempfile.TemporaryDirectory(prefix="sparky-doctor-") as folder:
        password = secrets.token_urlsafe(16)
        postgres = Postgres(Path(folder), password, durable=False)
        try:
            await postgres.start()
            await apply_base(postgres.dsn())
            await set_passwords(postgres.dsn(), {"postgres": password})
            await migrate(postgres.dsn("postgres"))
            return await read_expectation(postgres.dsn("postgres"))
        finally:
            await postgres.stop()
            postgres.destroy()
