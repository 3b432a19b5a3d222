"""Coming to rest: everything healed, and time to finish what was begun."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tests.chaos.gates import queue_leftovers
from tests.chaos.world import World

FINISH_SECONDS = 120.0
EMPTY_SECONDS = 30.0
LOOK_SECONDS = 0.25


async def come_to_rest(world: World, workers: list[str]) -> None:
    """Nothing fails any more; wait, within bounds, until all work has ended and been cleaned up. The gates decide."""
    await world.behave()
    world.fleet.wire.mend()
    for name in workers:
        await world.fleet.start(name)
    database = world.accounts.database

    async def ended() -> bool:
        return not await database.fetchval(
            "select count(*) from public.generations where status in ('queued', 'processing')"
        )

    async def emptied() -> bool:
        return not await queue_leftovers(world)

    async def removed() -> bool:
        await database.execute("update sparky.object_removals set due_at = now() where due_at > now()")
        return not await database.fetchval("select count(*) from sparky.object_removals")

    await _within(FINISH_SECONDS, ended)
    await _within(EMPTY_SECONDS, emptied)
    await _within(EMPTY_SECONDS, removed)


async def _within(seconds: float, condition: Callable[[], Awaitable[bool]]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not await condition():  # noqa: ASYNC110 - nothing announces rest
                await asyncio.sleep(LOOK_SECONDS)
