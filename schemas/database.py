"""Opening the database: one asyncpg pool a process, correct on a direct connection and through a transaction pooler.

Through a transaction pooler set `DATABASE_STATEMENT_CACHE=0`; nothing here relies on session state, so the pool
skips the clean-up round trip that asyncpg would make each time a connection is handed back.
"""

from typing import TYPE_CHECKING, TypeAlias

import asyncpg
import orjson

from schemas.settings import Settings

if TYPE_CHECKING:
    Database: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Database = asyncpg.Pool
    Connection = asyncpg.Connection


def _encode_json(value: object) -> str:
    return orjson.dumps(value).decode()


async def prepare_connection(connection: Connection) -> None:
    """Make JSON columns come and go as Python objects."""
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name, encoder=_encode_json, decoder=orjson.loads, schema="pg_catalog", format="text"
        )


async def _keep(_: Connection) -> None:
    """Nothing to reset: every call is a single statement or a transaction of its own."""


async def open_database(settings: Settings) -> Database:
    """Open the pool. JSON columns come and go as Python objects; each call has `DATABASE_TIMEOUT_SECONDS`.

    Connects when first used, so that a process may start before its database. Calls raise `OSError`, `TimeoutError` or
    `asyncpg.PostgresError` while it is away.
    """
    return await asyncpg.create_pool(
        settings.database_url.get_secret_value(),
        min_size=0,
        max_size=settings.database_pool_size,
        command_timeout=settings.database_timeout_seconds,
        timeout=settings.database_timeout_seconds,
        statement_cache_size=settings.database_statement_cache,
        init=prepare_connection,
        reset=_keep,
    )
