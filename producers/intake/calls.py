"""The intake's SQL calls: one statement each, which the database makes one transaction; each with a deadline."""

from typing import Any

import asyncpg

from schemas.database import Database

_RELEASE_SECONDS = 1.0


class Calls:
    """Calls of one subject. Errors of asyncpg, `OSError` and `TimeoutError` pass through; nothing is retried."""

    def __init__(self, database: Database, timeout_seconds: float) -> None:
        self._database, self._timeout = database, timeout_seconds

    async def _one(self, query: str, *arguments: Any) -> asyncpg.Record:
        (row,) = await self._all(query, *arguments)
        return row

    async def _all(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Run one statement. Not by way of `Pool.fetch`, which waits for a free connection, and for the end of a call
        that timed out, without any limit."""
        connection = await self._database.acquire(timeout=self._timeout)
        try:
            return await connection.fetch(query, *arguments, timeout=self._timeout)
        finally:
            await self._database.release(connection, timeout=_RELEASE_SECONDS)
