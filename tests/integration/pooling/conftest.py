"""Intake and worker behind PgBouncer in transaction mode, with fewer server connections than either of them opens."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.pgbouncer import PgBouncerMissing, find_pgbouncer
from deploy.local.stack import Stack
from schemas.database import Database, open_database
from schemas.settings import Settings
from tests.integration.product.conftest import QUICK
from tests.support.accounts import Accounts, open_accounts
from tests.support.stack import temporary_stack


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Stack]:
    """Everything but a worker: each test starts those that it needs."""
    try:
        find_pgbouncer()
    except PgBouncerMissing as missing:
        pytest.skip(str(missing))
    environment = {**QUICK, "DATABASE_POOLER": "transaction"}
    async with temporary_stack("intake", "gemini", environment=environment) as stack:
        yield stack


@pytest.fixture(scope="session")
async def accounts(stack: Stack) -> AsyncIterator[Accounts]:
    """The owner's, past the pooler."""
    async with open_accounts(stack.database_url("postgres")) as accounts:
        yield accounts


@pytest.fixture(scope="session")
def settings(stack: Stack) -> Settings:
    """A worker's."""
    values = {name.lower(): value for name, value in stack.environment_of("worker").items()}
    return Settings.model_validate(values)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    pool = await open_database(settings)
    yield pool
    await pool.close()
