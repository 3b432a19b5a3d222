"""What Redis and Python can do without a queue: a bare BLMOVE loop (`list`) and a batched stream (`stream`).

Neither retries, leases nor survives anything. `python -m tests.benchmarks.floor list work` or `… list bulk N`.
"""

import asyncio
import os
import sys
from collections.abc import Sequence

import uvloop
from redis.asyncio import Redis

from tests.benchmarks.body import SECONDS, SLOTS, board, run
from tests.benchmarks.produce import produce

QUEUE, RUNNING, GROUP = "bench", "bench:running", "workers"
BATCH = 100


async def work_list(redis: "Redis[bytes]") -> None:
    """Take one, start it, take the next; done jobs leave the list of running ones."""
    slots = asyncio.Semaphore(SLOTS)

    async def handle(job: bytes) -> None:
        await run(int(job))
        await redis.lrem(RUNNING, 1, job)
        slots.release()

    async with asyncio.TaskGroup() as group:
        while True:
            await slots.acquire()
            job = await redis.execute_command("BLMOVE", QUEUE, RUNNING, "LEFT", "RIGHT", 0)
            group.create_task(handle(job))


async def work_stream(redis: "Redis[bytes]") -> None:
    """Take as many as there are, up to a hundred; acknowledge them together."""
    name = str(os.getpid())
    slots = asyncio.Semaphore(SLOTS)

    async def handle(message: bytes, job: bytes) -> None:
        await run(int(job))
        await redis.xack(QUEUE, GROUP, message)
        slots.release()

    async with asyncio.TaskGroup() as group:
        while True:
            await slots.acquire()
            free = slots._value + 1
            slots.release()
            ((_, messages),) = await redis.xreadgroup(GROUP, name, {QUEUE: ">"}, count=min(free, BATCH), block=0)
            if SECONDS:
                for message, fields in messages:
                    await slots.acquire()
                    group.create_task(handle(message, fields[b"job"]))
            else:
                for _, fields in messages:
                    await run(int(fields[b"job"]))
                await redis.xack(QUEUE, GROUP, *(message for message, _ in messages))


async def main(kind: str, command: str) -> None:
    redis: Redis[bytes] = Redis.from_url(os.environ["BENCH_REDIS_URL"])
    if command == "setup":
        await redis.xgroup_create(QUEUE, GROUP, "0", mkstream=True)
    elif command == "work":
        await redis.ping()
        board.wait_for_start()
        await (work_list if kind == "list" else work_stream)(redis)
    else:

        async def put_many(jobs: Sequence[int]) -> None:
            pipe = redis.pipeline(transaction=False)
            for job in jobs:
                _ = pipe.rpush(QUEUE, job) if kind == "list" else pipe.xadd(QUEUE, {"job": job})
            await pipe.execute()

        await produce(lambda job: redis.rpush(QUEUE, job) if kind == "list" else redis.xadd(QUEUE, {"job": job}), put_many)
    await redis.aclose()


if __name__ == "__main__":
    kind = sys.argv.pop(1)
    uvloop.run(main(kind, sys.argv[1]))
