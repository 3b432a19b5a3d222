"""What the stand-ins share: connections by role, keys, folders, and SQL under a caller's own rights."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import asyncpg
import orjson

from deploy.local.supabase.keys import ROLES, Keys

# Hosted Supabase's deadlines by role, in milliseconds; the service role is bound by the pool's.
STATEMENT_TIMEOUTS = {"anon": 3_000, "authenticated": 8_000, "service_role": 0}
POOL_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Context:
    """Open for the life of the process. Pools hand out connections that are logged in as the role named."""

    database: "asyncpg.Pool[asyncpg.Record]"  # authenticator: no rights of its own, for `as_caller`
    auth_database: "asyncpg.Pool[asyncpg.Record]"  # supabase_auth_admin
    storage_database: "asyncpg.Pool[asyncpg.Record]"  # supabase_storage_admin
    admin_dsn: str  # superuser, for replication slots
    keys: Keys
    storage_dir: Path
    outbox_dir: Path
    public_url: str  # as clients reach it, without a trailing slash

    @asynccontextmanager
    async def as_caller(
        self, claims: Mapping[str, Any], *, read_only: bool = False
    ) -> "AsyncIterator[asyncpg.pool.PoolConnectionProxy[asyncpg.Record]]":
        """One transaction under the claims' role, with `request.jwt.claims` set: row level security decides.

        Commits on a clean exit, rolls back on an exception. `claims["role"]` must be a role of `ROLES`.
        """
        role = claims["role"]
        if role not in ROLES:
            raise ValueError("not a client role")
        async with self.database.acquire() as connection, connection.transaction(readonly=read_only):
            await connection.execute(
                "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true),"
                " set_config('statement_timeout', $3, true)",
                role,
                orjson.dumps(dict(claims)).decode(),
                str(STATEMENT_TIMEOUTS[role]),
            )
            yield connection


def role_dsn(dsn: str, role: str, password: str | None = None) -> str:
    """The same database as another role. Without a password the address carries none."""
    parts = urlsplit(dsn)
    host = parts.netloc.rpartition("@")[2]
    login = quote(role) if password is None else f"{quote(role)}:{quote(password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{login}@{host}"))


@asynccontextmanager
async def open_context(
    admin_dsn: str, keys: Keys, storage_dir: Path, outbox_dir: Path, public_url: str
) -> AsyncIterator[Context]:
    """Opens the pools and makes the folders; closes the pools on the way out."""
    _make_folders(storage_dir, outbox_dir)
    given = urlsplit(admin_dsn).password
    password = None if given is None else unquote(given)
    async with AsyncExitStack() as stack:

        async def pool(role: str, size: int) -> "asyncpg.Pool[asyncpg.Record]":
            return await stack.enter_async_context(
                asyncpg.create_pool(
                    role_dsn(admin_dsn, role, password),
                    min_size=1,
                    max_size=size,
                    command_timeout=POOL_TIMEOUT_SECONDS,
                )
            )

        yield Context(
            database=await pool("authenticator", 16),
            auth_database=await pool("supabase_auth_admin", 4),
            storage_database=await pool("supabase_storage_admin", 4),
            admin_dsn=admin_dsn,
            keys=keys,
            storage_dir=storage_dir,
            outbox_dir=outbox_dir,
            public_url=public_url.rstrip("/"),
        )


def _make_folders(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
