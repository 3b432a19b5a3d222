"""A producer's commands: `bulk N` at once, or `paced N SECONDS [FIRST]`, one by one at random gaps."""

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable, Sequence

from tests.benchmarks.board import WARM_UP
from tests.benchmarks.body import board


def _plan() -> tuple[str, range, float]:
    command, jobs = sys.argv[1], int(sys.argv[2])
    if command == "bulk":
        return command, range(jobs), 0.0
    first = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    return command, range(first, first + jobs + WARM_UP), float(sys.argv[3])


def _gap(mean: float) -> float:
    return random.uniform(0.5, 1.5) * mean


async def produce(
    put: Callable[[int], Awaitable[object]], put_many: Callable[[Sequence[int]], Awaitable[object]]
) -> None:
    """For clients that await."""
    command, jobs, mean = _plan()
    if command == "bulk":
        await put_many(jobs)
        return
    for job in jobs:
        await asyncio.sleep(_gap(mean))
        board.enqueue(job)
        await put(job)


def produce_blocking(put: Callable[[int], object]) -> None:
    """For clients that block."""
    command, jobs, mean = _plan()
    for job in jobs:
        if command == "paced":
            time.sleep(_gap(mean))
            board.enqueue(job)
        put(job)


async def gather(put: Callable[[int], Awaitable[object]], jobs: Sequence[int], at_once: int = 20) -> None:
    """One by one, several at a time: for clients that have no call for many."""

    async def some(first: int) -> None:
        for job in jobs[first::at_once]:
            await put(job)

    await asyncio.gather(*(some(first) for first in range(at_once)))
