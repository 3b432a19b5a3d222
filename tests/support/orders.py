"""Orders, callbacks and inquiries made straight in the database, for tests of the SQL functions."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from schemas.database import Database
from tests.support.accounts import Accounts

INTEGRATION = 4_000_001
INTEGRATIONS = [INTEGRATION, 4_000_002]
HOUR = timedelta(hours=1)
SMALL, MEDIUM, PRO = 1, 2, 3
Transaction = dict[str, Any]

_numbers = itertools.count(uuid4().int % 2**40)


def number() -> int:
    """One of Paymob's ids: never used before."""
    return next(_numbers)


@dataclass(frozen=True)
class Order:
    id: UUID
    user: UUID
    number: int
    """Paymob's, which callbacks carry as `order.id`."""
    amount: int
    credits: int


@dataclass(frozen=True)
class Payment:
    """A transaction at Paymob and everything that is done to it; each state of it is a callback's `obj`."""

    order: Order
    id: int = field(default_factory=number)

    def obj(self, **changes: Any) -> Transaction:
        """Paid, unless changed."""
        return {
            "id": self.id,
            "pending": False,
            "amount_cents": self.order.amount,
            "success": True,
            "is_auth": False,
            "is_capture": False,
            "is_standalone_payment": True,
            "is_voided": False,
            "is_refunded": False,
            "is_3d_secure": True,
            "integration_id": INTEGRATION,
            "has_parent_transaction": False,
            "order": {"id": self.order.number, "merchant_order_id": str(self.order.id)},
            "created_at": "2026-11-22T10:00:00.000000",
            "currency": "EGP",
            "source_data": {"type": "card", "pan": "2346", "sub_type": "MasterCard"},
            "error_occured": False,
            "is_live": True,
            "is_void": False,
            "is_refund": False,
            "is_captured": False,
            "captured_amount": 0,
            "refunded_amount_cents": 0,
            "parent_transaction": None,
            "owner": 302852,
            **changes,
        }

    def refund(self, amount: int, **changes: Any) -> Transaction:
        """The transaction of its own that a refund is."""
        own = {"id": number(), "amount_cents": amount, "is_refund": True, "has_parent_transaction": True}
        return self.obj(**{**own, "parent_transaction": self.id, **changes})

    def refunded(self, amount: int) -> Transaction:
        """What an inquiry about the payment answers after refunds of this much in all."""
        return self.obj(is_refunded=True, refunded_amount_cents=amount)


@dataclass(frozen=True)
class Orders:
    accounts: Accounts
    integrations: Sequence[int] = tuple(INTEGRATIONS)
    live: bool = True

    def in_mode(self, *, live: bool) -> "Orders":
        return replace(self, live=live)

    @property
    def database(self) -> Database:
        return self.accounts.database

    async def create(
        self,
        user: UUID,
        *,
        plan: int | None = None,
        pack: int | None = None,
        key: str | None = None,
        lifetime: timedelta = HOUR,
    ) -> asyncpg.Record:
        row = await self.database.fetchrow(
            "select * from sparky.create_order($1, $2, $3, $4, $5)", user, plan, pack, key, lifetime
        )
        assert row is not None
        return row

    async def attach(self, order: UUID, number: int) -> str:
        return str(await self.database.fetchval("select sparky.attach_intention($1, $2, 'https://pay')", order, number))

    async def order(
        self, user: UUID, *, plan: int | None = None, pack: int | None = None, lifetime: timedelta = HOUR
    ) -> Order:
        """An order that waits for its payment; of the small pack when nothing else is named."""
        pack = SMALL if plan is None and pack is None else pack
        row = await self.create(user, plan=plan, pack=pack, lifetime=lifetime)
        assert row["outcome"] == "created", row["outcome"]
        order = Order(row["id"], user, number(), row["amount_piastres"], row["credits"])
        assert await self.attach(order.id, order.number) == "attached"
        return order

    async def record(self, body: dict[str, Any], kind: str = "TRANSACTION", key: str | None = None) -> int:
        """Into the inbox; answers the event's id."""
        key = key or uuid4().hex
        await self.database.fetchval("select sparky.record_payment_event($1, $2, $3)", kind, key, body)
        return int(await self.database.fetchval("select id from sparky.payment_events where key = $1", key))

    async def apply(self, event: int) -> str:
        return str(
            await self.database.fetchval(
                "select sparky.apply_payment_event($1, $2, $3)", event, list(self.integrations), self.live
            )
        )

    async def hear(self, transaction: Transaction) -> str:
        """A callback arrives and is applied."""
        return await self.apply(await self.record({"type": "TRANSACTION", "obj": transaction}))

    async def inquire(self, order: Order, *transactions: Transaction, lease: Any = None) -> str:
        """Paymob's answer to an inquiry is applied."""
        return str(
            await self.database.fetchval(
                "select sparky.apply_inquiry($1, $2, $3, $4, $5)",
                order.id,
                list(transactions),
                list(self.integrations),
                self.live,
                lease,
            )
        )

    async def paid(self, user: UUID, **item: Any) -> Payment:
        """An order that was paid, and the payment."""
        payment = Payment(await self.order(user, **item))
        assert await self.hear(payment.obj()) == "applied"
        return payment

    async def due(self, order: Order, after: timedelta = HOUR) -> bool:
        """Whether the sweep would inquire about the order now; hands it out if so."""
        rows = await self.database.fetch("select id from sparky.due_orders($1, 1000)", after)
        return order.id in {row["id"] for row in rows}

    async def row(self, order: Order) -> asyncpg.Record:
        row = await self.database.fetchrow("select * from public.orders where id = $1", order.id)
        assert row is not None
        return row

    async def status(self, order: Order) -> str:
        return str((await self.row(order))["status"])

    async def user(self, user: UUID) -> asyncpg.Record:
        row = await self.database.fetchrow("select * from public.users where id = $1", user)
        assert row is not None
        return row

    async def debt(self, user: UUID) -> int:
        return int((await self.user(user))["credit_debt"])
