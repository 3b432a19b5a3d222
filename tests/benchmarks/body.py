"""The job that every contestant runs: note the time, wait for as long as the row says, note it again."""

import asyncio
import os
import time

from tests.benchmarks.board import Board

SLOTS = int(os.environ.get("BENCH_SLOTS", "100"))
SECONDS = float(os.environ.get("BENCH_JOB_SECONDS", "0"))
HEARTBEAT_SECONDS = 10
"""How long a dead worker may look alive, where a peer lets workers renew: what our own lease lasts."""
TIMEOUT_SECONDS = 30
"""What bounds a dead worker's jobs where nothing renews: it has to outlast the longest job, so this is generous."""

board = Board.shared()


async def run(job: int) -> None:
    board.begin(job)
    if SECONDS:
        await asyncio.sleep(SECONDS)
    board.end(job)


def run_in_thread(job: int) -> None:
    board.begin(job)
    if SECONDS:
        time.sleep(SECONDS)
    board.end(job)
