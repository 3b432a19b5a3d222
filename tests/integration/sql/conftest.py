"""The SQL suite runs on every PostgreSQL that we promise: 18 and 16 from the wheel, 15 from Debian's packages."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from deploy.local.base import set_passwords
from deploy.local.migrate import migrate
from deploy.local.postgres import Postgres
from tests.support.accounts import Accounts, open_accounts
from tests.support.servers import PASSWORD, platform_server


@dataclass(frozen=True)
class Server:
    """A migrated database, and how to log in to it as any role."""

    postgres: Postgres

    def dsn(self, role: str) -> str:
        return self.postgres.dsn(role)


# In the strict world new tables are not granted to the API roles; in the legacy one they are.
@pytest.fixture(scope="session", params=["18", "18-strict", "16", "15"])
async def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    version, _, world = request.param.partition("-")
    folder = tmp_path_factory.mktemp("postgres")
    async with platform_server(folder, version, legacy_privileges=world != "strict") as postgres:
        await migrate(postgres.dsn("postgres"))
        await set_passwords(postgres.dsn(), dict.fromkeys(("sparky_intake", "sparky_worker"), PASSWORD))
        yield Server(postgres)


@pytest.fixture(scope="session")
async def accounts(server: Server) -> AsyncIterator[Accounts]:
    async with open_accounts(server.dsn("postgres"), 20) as accounts:
        yield accounts
