"""Opening the database: one asyncpg pool a process, fast on a direct connection, correct through a transaction pooler.

Such a pooler may run each transaction on another connection to the server. So nothing of ours belongs to a session: no
settings (they are the functions' own), no locks but a transaction's, no LISTEN, no temporary tables; and that is why
the pool can skip the clean-up that asyncpg would send each time a connection is handed back. Prepared statements are
the one thing of a session worth having: they are kept, and save a round trip, only where there is no such pooler.
"""

from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import parse_qs, urlsplit

import asyncpg
import orjson

from schemas.settings import Settings

if TYPE_CHECKING:
    Database: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Database = asyncpg.Pool
    Connection = asyncpg.Connection

PREPARED_STATEMENTS: Final = 100
"""Kept by each connection; more than the statements we have."""
SUPABASE_TRANSACTION_PORT: Final = "6543"


def pooled_by_transaction(settings: Settings) -> bool:
    """Whether `DATABASE_URL` is a pooler in transaction mode: as `DATABASE_POOLER` says, else by Supabase's port."""
    if settings.database_pooler != "auto":
        return settings.database_pooler == "transaction"
    address = urlsplit(settings.database_url.get_secret_value())
    hosts = address.netloc.rpartition("@")[2].split(",")
    ports = [host.rpartition(":")[2] for host in hosts] + parse_qs(address.query).get("port", [])
    return SUPABASE_TRANSACTION_PORT in ports


def _encode_json(value: object) -> str:
    return orjson.dumps(value).decode()


async def prepare_connection(connection: Connection) -> None:
    """Make JSON columns come and go as Python objects. Asks the server nothing."""
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
        statement_cache_size=0 if pooled_by_transaction(settings) else PREPARED_STATEMENTS,
        init=prepare_connection,
        reset=_keep,
    )
