"""The SQL suite runs on every PostgreSQL that we promise: 18 and 16 from the wheel, 15 from Debian's packages."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from deploy.local.base import apply_base
from deploy.local.installation import Installation, installation_at, installation_in_wheel
from deploy.local.migrate import migrate
from deploy.local.postgres import Postgres
from schemas.database import prepare_connection
from tests.support.accounts import Accounts

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")


@dataclass(frozen=True)
class Server:
    """A migrated database, and how to log in to it as any role."""

    postgres: Postgres
    password: str

    def dsn(self, role: str) -> str:
        return self.postgres.dsn(role, self.password)


def installation(version: str) -> Installation:
    if version == "15":
        if not (DEBIAN_15 / "postgres").exists():
            pytest.skip("PostgreSQL 15 is not installed (Debian's package postgresql-15)")
        return installation_at(DEBIAN_15)
    return installation_in_wheel(int(version))


# In the strict world new tables are not granted to the API roles; in the legacy one they are.
@pytest.fixture(scope="session", params=["18", "18-strict", "16", "15"])
async def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    version, _, world = request.param.partition("-")
    password = "test"
    postgres = Postgres(
        tmp_path_factory.mktemp("postgres"), password, installation=installation(version), durable=False
    )
    await postgres.start()
    try:
        await apply_base(postgres.dsn(), legacy_privileges=world != "strict")
        connection = await asyncpg.connect(postgres.dsn())
        await connection.execute("alter role postgres login password 'test'")
        await migrate(postgres.dsn("postgres", password))
        for role in ("authenticator", "sparky_intake", "sparky_worker"):
            await connection.execute(f"alter role {role} login password 'test'")
        await connection.close()
        yield Server(postgres, password)
    finally:
        await postgres.stop()
        postgres.destroy()


@pytest.fixture(scope="session")
async def accounts(server: Server) -> AsyncIterator[Accounts]:
    pool = await asyncpg.create_pool(server.dsn("postgres"), min_size=1, max_size=20, init=prepare_connection)
    yield Accounts(pool)
    await pool.close()
