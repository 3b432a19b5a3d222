"""Leased workers inside the test's own process, and the command line's in processes of their own."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from arq.worker import Function, func

from schemas.queue import RUN_GENERATION, deserialize, open_queue, serialize
from tests.support.valkey import PATIENCE, queue_settings
from worker.leasing import LeasedWorker, Leasing

REPOSITORY = Path(__file__).parents[2]
SETTINGS = "tests.support.jobs.WorkerSettings"


def named(function: Callable[..., Awaitable[Any]], name: str = RUN_GENERATION) -> Function:
    """The function as arq registers it under this name."""
    return func(cast(Any, function), name=name)


def make_worker(
    url: str, functions: Sequence[Any], *, lease: float = 10, renew: float = 3, beat: Any = None, **options: Any
) -> LeasedWorker:
    return LeasedWorker(
        functions,
        leasing=Leasing(lambda: open_queue(queue_settings(url)), lease, renew, beat),
        handle_signals=False,
        job_serializer=serialize,
        job_deserializer=deserialize,
        **{"keep_result": 0, "poll_delay": 0.05, **options},
    )


@asynccontextmanager
async def working(
    url: str, *functions: Any, lease: float = 10, renew: float = 3, **options: Any
) -> AsyncIterator[LeasedWorker]:
    """A worker that runs for as long as the block does."""
    worker = make_worker(url, functions, lease=lease, renew=renew, **options)
    task = asyncio.create_task(worker.async_run())
    try:
        yield worker
    finally:
        await worker.close()
        await task


class WorkerProcess:
    """`arq tests.support.jobs.WorkerSettings` with these arguments and this environment."""

    def __init__(self, url: str, *arguments: str, settings: str = SETTINGS, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "arq", settings, *arguments],
            env={"PATH": os.environ["PATH"], "REDIS_URL": url, "PYTHONPATH": str(REPOSITORY), **environment},
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    async def ended(self) -> tuple[int, str]:
        """Its exit code and all it printed."""
        output, _ = await asyncio.to_thread(self._process.communicate, timeout=PATIENCE)
        return self._process.returncode, output

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def __aenter__(self) -> "WorkerProcess":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.send(signal.SIGKILL)
            await self.ended()
