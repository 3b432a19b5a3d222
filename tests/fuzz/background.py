"""What goes on while the intake is asked: an event loop in a thread of its own, in which open generations end.

The fuzzer's tests are no coroutines, so the pool of connections that they share lives here.
"""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Self, TypeVar
from uuid import UUID

from schemas.analysis import AnalysisResult
from tests.support.accounts import Accounts, open_accounts

T = TypeVar("T")
PAUSE_SECONDS = 0.05
KEPT_OPEN = 20


class Background:
    """Ends queued generations in turn, well or badly, but for the newest few, so that answers of every kind occur."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.accounts: Accounts

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and wait for it here."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=60)

    def __enter__(self) -> Self:
        self._thread.start()
        self._pool = open_accounts(self._dsn)
        self.accounts = self.run(self._pool.__aenter__())
        self._ending = asyncio.run_coroutine_threadsafe(self._end_generations(), self._loop)
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.cancel()
        self.run(self._pool.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end_generations(self) -> None:
        while True:
            rows = await self.accounts.database.fetch(
                "select id, tool_id from public.generations where status = 'queued' order by queued_at desc offset $1",
                KEPT_OPEN,
            )
            for number, row in enumerate(rows):
                await self._end(row["id"], analysis=row["tool_id"] == "analysis", well=number % 3 > 0)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _end(self, generation: UUID, *, analysis: bool, well: bool) -> None:
        attempt = await self.accounts.start(generation)
        if attempt is None:  # cancelled meanwhile
            return
        if well:
            await self.accounts.settle(generation, attempt["fence"], ANALYSIS if analysis else None)
        else:
            await self.accounts.fail(generation, attempt["fence"])


ANALYSIS = {
    name: "fine" if kind["type"] == "string" else 30
    for name, kind in AnalysisResult.model_json_schema(by_alias=True)["properties"].items()
}
