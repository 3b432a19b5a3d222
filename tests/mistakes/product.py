"""The product on a database of its own: the healthy one, or a copy in which a mistake was made again."""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg
import httpx
import jwt
import orjson

from deploy.local.migrate import SUPABASE
from deploy.local.paymob import merchant
from deploy.local.postgres import Postgres
from schemas.database import Database
from schemas.settings import Settings
from tests.support.accounts import Accounts, open_accounts
from tests.support.intake import serving_intake

SIGNING_SECRET = "what the tokens of this suite are signed with, long enough"
PAYMOB_SECRET = "sim_hmac_secret"
SUPABASE_URL = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Servers:
    """Valkey, Paymob's stand-in, and a PostgreSQL whose migrated database `postgres` nobody uses: it is copied."""

    postgres: Postgres
    redis_url: str
    paymob_url: str

    def dsn(self, role: str, database: str) -> str:
        return urlunsplit(urlsplit(self.postgres.dsn(role))._replace(path=f"/{database}"))

    @asynccontextmanager
    async def copy(self) -> AsyncIterator[str]:
        """The name of a fresh copy of the migrated database; gone when the block ends."""
        name = f"copy_{secrets.token_hex(4)}"
        admin = await asyncpg.connect(self.dsn("supabase_admin", "template1"))
        try:
            await admin.execute(f"create database {name} template postgres owner postgres")
            try:
                yield name
            finally:
                await admin.execute(f"drop database {name} with (force)")
        finally:
            await admin.close()


@dataclass(frozen=True)
class Product:
    """What the twelve tests drive. `folder` holds the Supabase project's configuration and mail templates."""

    servers: Servers
    database_name: str
    accounts: Accounts
    intake: httpx.AsyncClient
    folder: Path

    @property
    def database(self) -> Database:
        return self.accounts.database

    def dsn(self, role: str) -> str:
        return self.servers.dsn(role, self.database_name)

    async def call(self, user: UUID, method: str, path: str, body: Any = None) -> httpx.Response:
        """Ask the intake as this user."""
        claims = {
            "iss": f"{SUPABASE_URL}/auth/v1",
            "aud": "authenticated",
            "role": "authenticated",
            "sub": str(user),
            "exp": int(time.time()) + 600,
        }
        token = jwt.encode(claims, SIGNING_SECRET, "HS256")
        return await self.intake.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})

    async def as_user(self, user: UUID, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """One statement under the user's own rights, as the Data API runs it; committed unless it is refused."""
        connection = await asyncpg.connect(self.dsn("authenticator"))
        try:
            async with connection.transaction():
                await connection.execute("set local role authenticated")
                claims = orjson.dumps({"role": "authenticated", "sub": str(user)}).decode()
                await connection.execute("select set_config('request.jwt.claims', $1, true)", claims)
                return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()


@asynccontextmanager
async def open_product(servers: Servers, database_name: str, folder: Path = SUPABASE) -> AsyncIterator[Product]:
    """Intake and database, open for as long as the block lasts."""
    values: dict[str, Any] = {
        "database_url": servers.dsn("sparky_intake", database_name),
        "redis_url": servers.redis_url,
        "supabase_url": SUPABASE_URL,
        "supabase_secret_key": "unused",
        "supabase_jwt_secret": SIGNING_SECRET,
        **{name.lower(): value for name, value in merchant.environment(servers.paymob_url, SUPABASE_URL).items()},
        "paymob_hmac_secret": PAYMOB_SECRET,
    }
    async with (
        open_accounts(servers.dsn("postgres", database_name)) as accounts,
        serving_intake(Settings(_env_file=None, **values)) as url,
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as intake,
    ):
        yield Product(servers, database_name, accounts, intake, folder)
