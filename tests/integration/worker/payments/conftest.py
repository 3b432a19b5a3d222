"""Postgres and the local Paymob, and no intake: whoever tells of a payment, it is not a webhook."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest

from deploy.local.paymob.merchant import CARD, INTEGRATIONS
from deploy.local.stack import Stack
from schemas.database import Database, open_database
from schemas.paymob.client import Billing, Paymob, Purchase, open_http
from schemas.settings import Settings
from tests.support.accounts import Accounts, open_accounts
from tests.support.orders import HOUR, SMALL, Order, Orders
from tests.support.paymob import LocalPaymob, local_paymob
from tests.support.stack import temporary_stack
from worker.payments import Payments


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Stack]:
    async with temporary_stack("supabase", "paymob") as stack:
        yield stack


@pytest.fixture(scope="session")
def settings(stack: Stack) -> Settings:
    values: dict[str, Any] = {name.lower(): value for name, value in stack.environment_of("worker").items()}
    return Settings.model_validate(
        {"redis_url": "redis://127.0.0.1:1", **values, "order_inquiry_seconds": 0.001, "worker_sweep_seconds": 0.01}
    )


@pytest.fixture(scope="session")
async def accounts(stack: Stack) -> AsyncIterator[Accounts]:
    async with open_accounts(stack.database_url("postgres"), 10) as accounts:
        yield accounts


@pytest.fixture(scope="session")
async def database(settings: Settings) -> AsyncIterator[Database]:
    """As the worker logs in."""
    pool = await open_database(settings)
    yield pool
    await pool.close()


@pytest.fixture(scope="session")
def orders(accounts: Accounts) -> Orders:
    return Orders(accounts, tuple(INTEGRATIONS))


@pytest.fixture
async def local(stack: Stack) -> AsyncIterator[LocalPaymob]:
    assert stack.paymob_url is not None
    async with local_paymob(stack.paymob_url) as local:
        yield local


@pytest.fixture
async def paymob(settings: Settings) -> AsyncIterator[Paymob]:
    async with open_http(settings) as http:
        yield Paymob(settings, http)


@pytest.fixture
def payments(database: Database, settings: Settings) -> Payments:
    return Payments(database, settings)


@dataclass(frozen=True)
class Buyer:
    """Somebody who buys, pays on Paymob's page, and of whom nobody hears."""

    id: UUID
    orders: Orders
    paymob: Paymob
    local: LocalPaymob

    async def order(self, *, plan: int | None = None) -> tuple[Order, str]:
        """An order and the address of its checkout page."""
        pack = SMALL if plan is None else None
        row = await self.orders.create(self.id, plan=plan, pack=pack, lifetime=HOUR)
        order = Order(row["id"], self.id, 0, row["amount_piastres"], row["credits"])
        return await self.intend(order, str(order.id), attach=True)

    async def intend(self, order: Order, reference: str, *, attach: bool) -> tuple[Order, str]:
        made = await self.paymob.create_intention(
            Purchase(reference, "credits", order.amount, "EGP", Billing(), expires_in_seconds=3600)
        )
        if attach:
            assert await self.orders.attach(order.id, made.order_id) == "attached"
        return replace(order, number=made.order_id), made.checkout_url

    async def bought(self, *, plan: int | None = None, choice: str = "pay", integration: int = CARD) -> Order:
        order, page = await self.order(plan=plan)
        await self.local.pay(page, choice, integration)
        return order

    async def transaction(self, order: Order) -> int:
        """Paymob's number of the order's newest transaction."""
        found = await self.paymob.inquire_order(order.number)
        assert found is not None
        return int(found["id"])


@pytest.fixture
async def buyer(accounts: Accounts, orders: Orders, paymob: Paymob, local: LocalPaymob) -> Buyer:
    return Buyer(await accounts.user(balance=0), orders, paymob, local)
