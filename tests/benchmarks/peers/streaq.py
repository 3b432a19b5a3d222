"""streaq: `streaq run tests.benchmarks.peers.streaq:worker`."""

import os
from contextlib import asynccontextmanager

import uvloop
from streaq import Worker

from tests.benchmarks.body import HEARTBEAT_SECONDS, SLOTS, board, run
from tests.benchmarks.produce import produce

PAGE = 1000


@asynccontextmanager
async def lifespan():
    board.wait_for_start()
    yield


worker = Worker(
    redis_url=os.environ["BENCH_REDIS_URL"],
    concurrency=SLOTS,
    lifespan=lifespan,
    idle_timeout=HEARTBEAT_SECONDS,
    anyio_kwargs={"use_uvloop": True},
)


@worker.task(ttl=0, silent=True)
async def job(number: int) -> None:
    await run(number)


async def put_many(numbers):
    for first in range(0, len(numbers), PAGE):
        await worker.enqueue_many([job.enqueue(number) for number in numbers[first : first + PAGE]])


async def put(number):
    await job.enqueue(number)


async def main():
    async with worker:
        await produce(put, put_many)


if __name__ == "__main__":
    uvloop.run(main())
