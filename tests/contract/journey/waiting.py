"""Waiting for something to be so, with a deadline."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

Value = TypeVar("Value")

DEADLINE_SECONDS = 30.0
POLL_SECONDS = 0.1


async def until(ask: Callable[[], Awaitable[Value]], enough: Callable[[Value], bool]) -> Value:
    """Ask again and again; the first answer that is enough. Raises `TimeoutError`."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            value = await ask()
            if enough(value):
                return value
            await asyncio.sleep(POLL_SECONDS)


class Heard:
    """What came in, in order; `first` waits for what is still to come."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self._news = asyncio.Event()

    def add(self, **item: Any) -> None:
        self.items.append(item)
        self._news.set()

    def all(self, **wanted: Any) -> list[dict[str, Any]]:
        """Those so far with these values."""
        return [item for item in self.items if matches(item, wanted)]

    async def first(self, **wanted: Any) -> dict[str, Any]:
        """The first with these values, now or later. Raises `TimeoutError`."""
        return await self.first_where(lambda item: matches(item, wanted))

    async def first_where(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Raises `TimeoutError`."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                for item in self.items:
                    if wanted(item):
                        return item
                self._news.clear()
                await self._news.wait()


def matches(item: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(item.get(name) == value for name, value in wanted.items())
