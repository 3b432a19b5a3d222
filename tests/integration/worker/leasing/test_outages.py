"""Redis goes away and comes back, empty, while a worker runs."""

import asyncio
from typing import Any

from redis.exceptions import RedisError

from deploy.local.valkey import Valkey
from schemas.queue import QueuedJob, enqueue, open_queue
from tests.support.valkey import PATIENCE, queue_settings
from tests.support.waiting import eventually
from tests.support.workers import named, working


async def test_a_worker_outlives_a_restart_of_redis_and_works_on(own_valkey: Valkey) -> None:
    queue = open_queue(queue_settings(own_valkey.url))
    began, release = asyncio.Queue[str](), asyncio.Event()
    ended: list[str] = []

    async def run(_: dict[Any, Any], generation: str) -> None:
        began.put_nowait(generation)
        await release.wait()
        ended.append(generation)

    async def put_back(key: str) -> bool:
        try:
            await enqueue(queue, [QueuedJob(key, key, None, "free")])
        except (RedisError, OSError):
            return False
        return True

    async with working(own_valkey.url, named(run), renew=0.05):
        await put_back("before")
        assert await asyncio.wait_for(began.get(), PATIENCE) == "before"
        await own_valkey.stop()
        release.set()  # it ends while nobody can be told
        await own_valkey.start()
        await eventually(lambda: put_back("after"))
        assert await asyncio.wait_for(began.get(), PATIENCE) == "after"

        async def empty() -> bool:
            return not await queue.exists("arq:queue")

        await eventually(empty)

    assert ended == ["before", "after"]
    await queue.aclose(close_connection_pool=True)


async def test_a_worker_that_starts_without_redis_waits_for_it(own_valkey: Valkey) -> None:
    began = asyncio.Queue[str]()

    async def run(_: dict[Any, Any], generation: str) -> None:
        began.put_nowait(generation)

    await own_valkey.stop()
    async with working(own_valkey.url, named(run)):
        await own_valkey.start()
        queue = open_queue(queue_settings(own_valkey.url))
        await enqueue(queue, [QueuedJob("key", "generation", None, "free")])
        assert await asyncio.wait_for(began.get(), PATIENCE) == "generation"
        await queue.aclose(close_connection_pool=True)
