"""Waiting for what nothing announces."""

import asyncio
from collections.abc import Awaitable, Callable

PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.005


async def eventually(condition: Callable[[], Awaitable[object]]) -> None:
    """Ask until it is so. Raises `TimeoutError` when it never comes true."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(POLL_SECONDS)
