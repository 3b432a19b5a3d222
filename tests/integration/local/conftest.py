"""Clusters for the tests of the embedded stack."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from deploy.local.postgres import Postgres
from tests.support.servers import platform_server


@pytest.fixture(scope="module", params=["18", "16", "15"])
async def platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    """A fresh Supabase-like database of each version."""
    async with platform_server(tmp_path_factory.mktemp("platform"), request.param) as postgres:
        yield postgres


@pytest.fixture
async def postgres_role(platform: Postgres) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """Logged in as `postgres`, as migrations are; whatever the test does is rolled back."""
    connection = await asyncpg.connect(platform.dsn("postgres"))
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()
