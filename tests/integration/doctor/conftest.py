"""One migrated database with somebody in it, and what a sound one looks like."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from deploy.doctor.examination import examine
from deploy.doctor.expectation import Expectation, expectation_of_the_migrations
from deploy.doctor.family import Connection
from deploy.local.migrate import migrate
from tests.support.accounts import open_accounts
from tests.support.servers import platform_server


@pytest.fixture(scope="session")
async def expectation() -> Expectation:
    return await expectation_of_the_migrations()


@pytest.fixture(scope="session")
async def dsn(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Role postgres's address of a database in which somebody has had a picture made."""
    async with platform_server(tmp_path_factory.mktemp("doctor")) as postgres:
        await migrate(postgres.dsn("postgres"))
        async with open_accounts(postgres.dsn("postgres")) as accounts:
            await accounts.succeeded(await accounts.user())
        yield postgres.dsn("postgres")


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Connection]:
    """Logged in as postgres, in a transaction: what a test plants is gone after it."""
    connection = await asyncpg.connect(dsn)
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


async def found(database: Connection, expectation: Expectation, *, results_private: bool = False) -> list[str]:
    """What the doctor finds, without what to do about it."""
    answers = await examine(database, expectation, results_private=results_private)
    return [finding.what for answer in answers for finding in answer.findings]
