"""What the routes work with: everything that is opened once at start and closed once at the end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

import httpx
from arq import ArqRedis
from starlette.requests import Request

from producers.intake.accounts import Accounts
from producers.intake.auth import Authenticator
from producers.intake.generations import Generations
from producers.intake.pictures import Pictures
from producers.intake.purchases import Purchases
from producers.intake.waiting import Finishes
from schemas.database import open_database
from schemas.paymob.client import Paymob, open_http
from schemas.queue import open_queue
from schemas.settings import Settings


@dataclass(frozen=True)
class Services:
    """One a process, in `app.state.services`."""

    settings: Settings
    authenticator: Authenticator
    generations: Generations
    accounts: Accounts
    finishes: Finishes
    queue: ArqRedis
    pictures: Pictures
    purchases: Purchases
    paymob: Paymob


def services_of(request: Request) -> Services:
    """The application's services."""
    return cast(Services, request.app.state.services)


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Open all; raises when Postgres cannot be reached. Redis and Supabase are reached when first needed."""
    database = await open_database(settings)
    queue = open_queue(settings)
    client = httpx.AsyncClient(timeout=settings.storage_timeout_seconds)
    paymob_client = open_http(settings)
    authenticator = Authenticator(settings, client)
    generations = Generations(database, settings.database_timeout_seconds)
    accounts = Accounts(database, settings.database_timeout_seconds)
    purchases = Purchases(database, settings.database_timeout_seconds)
    finishes = Finishes(generations.finished)
    try:
        pictures = await Pictures.open(settings, client)
        paymob = Paymob(settings, paymob_client)
        yield Services(settings, authenticator, generations, accounts, finishes, queue, pictures, purchases, paymob)
    finally:
        await finishes.close()
        await authenticator.keys.close()
        await client.aclose()
        await paymob_client.aclose()
        await queue.aclose()
        database.terminate()
