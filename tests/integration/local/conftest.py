"""Clusters for the tests of the embedded stack."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from deploy.local.base import apply_base, set_passwords
from deploy.local.installation import Installation, installation_at, installation_in_wheel
from deploy.local.keys import PLATFORM_ROLES
from deploy.local.postgres import Postgres

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
PASSWORD = "secret/with:signs@"


def installation(version: str) -> Installation:
    if version == "15":
        if not (DEBIAN_15 / "postgres").exists():
            pytest.skip("PostgreSQL 15 is not installed (Debian's package postgresql-15)")
        return installation_at(DEBIAN_15)
    return installation_in_wheel(int(version))


@pytest.fixture(scope="module", params=["18", "16", "15"])
async def platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    """A fresh Supabase-like database, nothing of ours in it; every role logs in with PASSWORD."""
    postgres = Postgres(
        tmp_path_factory.mktemp("platform"), PASSWORD, installation=installation(request.param), durable=False
    )
    await postgres.start()
    try:
        assert await apply_base(postgres.dsn())
        await set_passwords(postgres.dsn(), dict.fromkeys((*PLATFORM_ROLES, "postgres"), PASSWORD))
        yield postgres
    finally:
        await postgres.stop()
        postgres.destroy()


@pytest.fixture
async def postgres_role(platform: Postgres) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """Logged in as `postgres`, as migrations are; whatever the test does is rolled back."""
    connection = await asyncpg.connect(platform.dsn("postgres"))
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()
