"""Orders in an operator's hands: look, inquire at Paymob, refund.

With the worker's database role. An action is recorded before it is taken, and its end after it, so that one that was
cut off is seen. A refund takes no credits back by itself: Paymob is asked how the payment stands now, and that is
booked as the sweep would book it.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from schemas.database import Database, open_database
from schemas.paymob.client import Paymob, PaymobAwayError, PaymobRefusedError, open_http
from schemas.paymob.inquiry import transactions_of
from schemas.settings import Settings


class NotPossibleError(Exception):
    """Refused before anything was done; says why."""


@dataclass(frozen=True, slots=True)
class Because:
    """Who does it, and why."""

    operator: str
    reason: str


@dataclass(frozen=True, slots=True)
class Refunded:
    """What was given back, and what booking it came to."""

    transaction_id: int
    piastres: int
    outcome: str


class Orders:
    """Opened with `open_orders`. Raises what asyncpg and `Paymob` raise."""

    def __init__(self, database: Database, paymob: Paymob, settings: Settings) -> None:
        self._database, self._paymob = database, paymob
        self._fits = (list(settings.paymob_integration_ids), settings.paymob_live)

    async def newest(self, status: str | None, limit: int) -> list[asyncpg.Record]:
        """The newest orders, of one status or of all."""
        return await self._database.fetch("select * from sparky.list_orders($1, $2)", status, limit)

    async def story(self, order: UUID) -> list[asyncpg.Record]:
        """All that happened to an order, oldest first."""
        return await self._database.fetch("select * from sparky.order_story($1)", order)

    async def inquire(self, order: UUID, because: Because) -> str:
        """Ask Paymob about an order and book what it says; answers the outcome."""
        number = await self._number(order)
        await self._record(because, "inquire", order, {})
        outcome = await self._booked(order, number)
        await self._record(because, "inquired", order, {"outcome": outcome})
        return outcome

    async def refund(
        self, order: UUID, because: Because, piastres: int | None = None, transaction: int | None = None
    ) -> Refunded:
        """Give back all that is left of a payment, or a part of it.

        Raises `PaymobAwayError` when it is not known whether Paymob did it: an inquiry tells, never a second refund.
        """
        number = await self._number(order)
        paid = await self._paid(order, transaction)
        left = await self._left(paid)
        amount = left if piastres is None else piastres
        if not 0 < amount <= left:
            raise NotPossibleError(f"{left} piastres are left of transaction {paid}")
        about = {"transactionId": paid, "piastres": amount}
        await self._record(because, "refund", order, about)
        try:
            child = await self._paymob.refund(paid, amount)
        except (PaymobAwayError, PaymobRefusedError) as error:
            ending = "refund_refused" if isinstance(error, PaymobRefusedError) else "refund_unanswered"
            await self._record(because, ending, order, about)
            raise
        await self._record(because, "refunded", order, {**about, "refundTransactionId": child["id"]})
        return Refunded(paid, amount, await self._booked(order, number))

    async def _booked(self, order: UUID, number: int) -> str:
        known = [row["transaction_id"] for row in await self._transactions(order)]
        found = await transactions_of(self._paymob, number, known)
        statement = "select sparky.apply_inquiry($1, $2, $3, $4)"
        return str(await self._database.fetchval(statement, order, found, *self._fits))

    async def _number(self, order: UUID) -> int:
        """The order's number at Paymob, which its story begins with."""
        story = await self.story(order)
        if not story:
            raise NotPossibleError("there is no such order")
        begun = next(row for row in story if row["event"] == "ordered")
        number = begun["details"]["intentionOrderId"]
        if number is None:
            raise NotPossibleError("the order was never sent to Paymob, so nobody can have paid it")
        return int(number)

    async def _paid(self, order: UUID, asked: int | None) -> int:
        """The payment to give back: the one that was granted, or the one asked for when there are more."""
        paid = [row["transaction_id"] for row in await self._transactions(order) if row["paid"]]
        if asked is not None:
            paid = [number for number in paid if number == asked]
        if len(paid) != 1:
            numbers: Sequence[Any] = paid or ["none"]
            raise NotPossibleError(f"name one paid transaction of the order; there are: {', '.join(map(str, numbers))}")
        return int(paid[0])

    async def _left(self, transaction: int) -> int:
        """What Paymob still holds of a payment, in piastres."""
        now = await self._paymob.inquire_transaction(transaction)
        if now is None or now["is_voided"] or not now["success"]:
            raise NotPossibleError("Paymob holds nothing of this payment any more")
        taken = now.get("captured_amount", 0) if now["is_auth"] else now["amount_cents"]
        return int(taken - now.get("refunded_amount_cents", 0))

    async def _transactions(self, order: UUID) -> list[asyncpg.Record]:
        return await self._database.fetch("select * from sparky.order_transactions($1)", order)

    async def _record(self, because: Because, action: str, order: UUID, details: dict[str, Any]) -> None:
        statement = "select sparky.record_operator_action($1, $2, $3, $4, $5)"
        await self._database.execute(statement, because.operator, because.reason, action, str(order), details)


@asynccontextmanager
async def open_orders(settings: Settings) -> AsyncIterator[Orders]:
    """Connect when first used; closed at the end."""
    database = await open_database(settings)
    try:
        async with open_http(settings) as http:
            yield Orders(database, Paymob(settings, http), settings)
    finally:
        database.terminate()
