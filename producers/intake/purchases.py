"""The intake's SQL calls about orders and payments."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from producers.intake.calls import Calls


class Purchases(Calls):
    """Orders and the inbox of callbacks in Postgres."""

    async def create_order(
        self, user_id: UUID, plan_id: int | None, pack_id: int | None, key: str | None, lifetime: timedelta
    ) -> asyncpg.Record:
        """`created`, `existing` (this key made it), or why not, with the order's columns."""
        return await self._one(
            "select * from sparky.create_order($1, $2, $3, $4, $5)", user_id, plan_id, pack_id, key, lifetime
        )

    async def attach_intention(self, order_id: UUID, intention_order_id: int, checkout_url: str) -> str:
        """`attached`, `already` (it was), `refused` (another intention came first and stays) or `unknown`."""
        row = await self._one("select sparky.attach_intention($1, $2, $3)", order_id, intention_order_id, checkout_url)
        return str(row[0])

    async def order(self, order_id: UUID, user_id: UUID) -> asyncpg.Record | None:
        """The user's own order."""
        rows = await self._all("select * from sparky.get_order($1, $2)", order_id, user_id)
        return rows[0] if rows else None

    async def record_event(self, kind: str, key: str, body: dict[str, Any]) -> bool:
        """Put a callback into the inbox; false when it was there already."""
        row = await self._one("select sparky.record_payment_event($1, $2, $3)", kind, key, body)
        return bool(row[0])
