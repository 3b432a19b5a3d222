"""What Redis and Python can do without a queue: a bare BLMOVE loop (`list`) and a batched stream (`stream`).

Neither retries, leases nor survives anything. `python -m tests.benchmarks.floor list work` or `… list bulk N`.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import uvloop
from redis.asyncio import Redis

from tests.benchmarks.body import SLOTS, board, run
from tests.benchmarks.produce import produce

QUEUE, RUNNING, GROUP = "bench", "bench:running", "workers"
BATCH = 100

redis = Redis.from_url(os.environ["BENCH_REDIS_URL"])
call: Callable[..., Awaitable[Any]] = redis.execute_command
slots = asyncio.Semaphore(SLOTS)


async def work_list() -> None:
    """Take one, start it, take the next; done jobs leave the list of running ones."""

    async def handle(job: bytes) -> None:
        await run(int(job))
        await call("LREM", RUNNING, 1, job)
        slots.release()

    async with asyncio.TaskGroup() as group:
        while True:
            await slots.acquire()
            group.create_task(handle(await call("BLMOVE", QUEUE, RUNNING, "LEFT", "RIGHT", 0)))


async def work_stream() -> None:
    """Take up to a hundred at once, run them one after another, acknowledge them together."""
    read = ("XREADGROUP", "GROUP", GROUP, os.getpid(), "COUNT", BATCH, "BLOCK", 0, "STREAMS", QUEUE, ">")
    while True:
        ((_, messages),) = await call(*read)
        for _, fields in messages:
            await run(int(fields[b"job"]))
        await call("XACK", QUEUE, GROUP, *(message for message, _ in messages))


async def put_many(kind: str, jobs: Sequence[int]) -> None:
    pipe = redis.pipeline(transaction=False)
    for job in jobs:
        pipe.execute_command(*put(kind, job))
    await pipe.execute()


def put(kind: str, job: int) -> tuple[str | int, ...]:
    """The command that puts one in."""
    return ("RPUSH", QUEUE, job) if kind == "list" else ("XADD", QUEUE, "*", "job", job)


async def main(kind: str, command: str) -> None:
    await redis.ping()
    if command == "setup":
        await call("XGROUP", "CREATE", QUEUE, GROUP, "0", "MKSTREAM")
    elif command == "work":
        board.wait_for_start()
        await (work_list if kind == "list" else work_stream)()
    else:
        await produce(lambda job: call(*put(kind, job)), lambda jobs: put_many(kind, jobs))
    await redis.aclose()


if __name__ == "__main__":
    kind = sys.argv.pop(1)
    uvloop.run(main(kind, sys.argv[1]))
