"""One server for all; each planted mistake has a copy of the database to itself."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.base import set_passwords
from deploy.local.migrate import migrate
from deploy.local.paymob.app import create_app
from deploy.local.valkey import Valkey
from tests.mistakes.product import Product, Servers, open_product
from tests.support.intake import serving
from tests.support.servers import PASSWORD, platform_server
from tests.support.valkey import shared_valkey

__all__ = ["shared_valkey"]


@pytest.fixture(scope="session")
async def servers(tmp_path_factory: pytest.TempPathFactory, shared_valkey: Valkey) -> AsyncIterator[Servers]:
    async with platform_server(tmp_path_factory.mktemp("postgres")) as postgres:
        await migrate(postgres.dsn("postgres"))
        await set_passwords(postgres.dsn(), dict.fromkeys(("sparky_intake", "sparky_worker"), PASSWORD))
        async with serving(create_app()) as paymob_url:
            yield Servers(postgres, shared_valkey.url, paymob_url)


@pytest.fixture(scope="session")
async def product(servers: Servers) -> AsyncIterator[Product]:
    """The product as it is."""
    async with servers.copy() as database, open_product(servers, database) as product:
        yield product
