"""An event loop that stands still for longer than a lease: nobody else starts what it runs."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from arq import ArqRedis
from structlog.testing import capture_logs

from schemas.queue import QueuedJob, enqueue, open_queue
from tests.support.valkey import queue_settings
from tests.support.waiting import eventually
from tests.support.workers import named, working
from worker.leasing.leases import Leases

LEASE = 0.5


async def claims_of_another_worker(url: str, seconds: float) -> list[int]:
    """How many jobs each claim brought to somebody who asks for so long."""
    queue, end, taken = open_queue(queue_settings(url)), time.monotonic() + seconds, []
    other = Leases(queue, "arq:queue", "other", 10)
    while time.monotonic() < end:
        taken.append(len((await other.claim(1)).jobs))
        await asyncio.sleep(LEASE / 10)
    await queue.aclose(close_connection_pool=True)
    return taken


async def test_a_stalled_worker_keeps_its_job_and_finishes_it(queue: ArqRedis, redis_url: str) -> None:
    taken: list[int] = []

    async def stall(_: dict[Any, Any], __: str) -> None:
        with ThreadPoolExecutor() as threads:  # the loop stands still until the thread has its answer
            taken.extend(threads.submit(asyncio.run, claims_of_another_worker(redis_url, 4 * LEASE)).result())

    with capture_logs() as events:
        async with working(redis_url, named(stall), lease=LEASE, renew=LEASE / 5) as worker:
            await enqueue(queue, [QueuedJob("key", "generation", None, "paid")])

            async def finished() -> bool:
                return worker.jobs_complete == 1 and not await queue.exists("arq:queue:paid")

            await eventually(finished)

    names = [event["event"] for event in events]
    assert set(taken) == {0}
    assert names.count("event_loop_stalled") == 1
    assert "job_finish_stale" not in names
