"""The intake's SQL calls about a user's own account."""

from datetime import datetime
from uuid import UUID

import asyncpg

from producers.intake.calls import Calls


class Accounts(Calls):
    """Accounts in Postgres."""

    async def close(self, user_id: UUID) -> asyncpg.Record:
        """`deleting` with the time of the first request, or `account_not_found`."""
        return await self._one("select * from sparky.close_account($1)", user_id)

    async def profile(self, user_id: UUID) -> asyncpg.Record:
        """`found` with the profile, or why there is none: `account_deleted`, `account_not_found`."""
        return await self._one("select * from sparky.export_account($1)", user_id)

    async def page(
        self, user_id: UUID, section: str, after: tuple[datetime | None, str | None], limit: int
    ) -> list[asyncpg.Record]:
        """Entries of a section, oldest first, from behind the row of this time and id."""
        return await self._all("select * from sparky.export_page($1, $2, $3, $4, $5)", user_id, section, *after, limit)
