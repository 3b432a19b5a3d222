"""The worker's calls into Postgres about payments: what they mean for credits and plans is decided there.

Any number of workers may call these at once: Postgres hands each event and each order to one of them for a while, and
applying something twice changes nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from schemas.database import Database
from schemas.settings import Settings


@dataclass(frozen=True, slots=True)
class Event:
    """A callback in the inbox. `inquire` are the transactions that Paymob must be asked about first."""

    id: int
    kind: Literal["TRANSACTION", "TOKEN", "SUBSCRIPTION"]
    tries: int
    inquire: list[int]


@dataclass(frozen=True, slots=True)
class Due:
    """An order to inquire about. Never paid for when `intention_order_id` is None: no buyer was sent to Paymob."""

    id: UUID
    intention_order_id: int | None
    known: list[int]
    lease: datetime


class Booking:
    """Only what fits our integrations and mode is booked. All raise what asyncpg raises."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._fits = (list(settings.paymob_integration_ids), settings.paymob_live)
        self._after = timedelta(seconds=settings.order_inquiry_seconds)

    async def due_events(self, limit: int) -> list[Event]:
        rows = await self._database.fetch("select id, kind, tries, inquire from sparky.due_payment_events($1)", limit)
        return [Event(**dict(row)) for row in rows]

    async def apply_event(self, event: Event) -> str:
        """A callback of kind TRANSACTION or TOKEN; answers its outcome."""
        return await self._value("select sparky.apply_payment_event($1, $2, $3)", event.id, *self._fits)

    async def apply_subscription(self, event: Event, transactions: list[dict[str, Any]]) -> str:
        """A callback of kind SUBSCRIPTION, with what Paymob said about its transactions."""
        statement = "select sparky.apply_subscription_event($1, $2, $3, $4)"
        return await self._value(statement, event.id, transactions, *self._fits)

    async def due_orders(self, limit: int) -> list[Due]:
        statement = "select id, intention_order_id, known, lease from sparky.due_orders($1, $2)"
        return [Due(**dict(row)) for row in await self._database.fetch(statement, self._after, limit)]

    async def apply_inquiry(self, order: Due, transactions: list[dict[str, Any]]) -> str:
        """What Paymob said about an order; answers what came of it."""
        statement = "select sparky.apply_inquiry($1, $2, $3, $4, $5)"
        return await self._value(statement, order.id, transactions, *self._fits, order.lease)

    async def _value(self, statement: str, *arguments: object) -> str:
        return str(await self._database.fetchval(statement, *arguments))
