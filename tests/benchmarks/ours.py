"""The contestant that the others are there for: the leased worker under arq's command line, and the real enqueue."""

import asyncio
import os
from collections.abc import Sequence
from typing import Any, cast

import uvloop
from arq import ArqRedis
from arq.worker import func
from pydantic import SecretStr

from schemas.queue import RUN_GENERATION, QueuedJob, arq_settings, deserialize, enqueue, open_queue, serialize
from schemas.settings import Settings
from tests.benchmarks.body import SLOTS, board, run
from tests.benchmarks.produce import produce
from worker.leasing import Leasing, install

PAGE = 500
"""Jobs in one call, as in the sweep."""

_unused = SecretStr("unused")
settings = Settings(
    redis_url=SecretStr(os.environ["BENCH_REDIS_URL"]),
    database_url=_unused,
    supabase_url="http://127.0.0.1",
    supabase_secret_key=_unused,
)


async def job(_: dict[Any, Any], generation_id: str) -> None:
    await run(int(generation_id))


async def startup(_: dict[Any, Any]) -> None:
    board.wait_for_start()


def queued(number: int) -> QueuedJob:
    """A job as the intake makes it: a cache key of 64 digits, and no due time."""
    return QueuedJob(f"{number:064x}", str(number), None, "paid")


async def put_many(queue: ArqRedis, numbers: Sequence[int]) -> None:
    for first in range(0, len(numbers), PAGE):
        await enqueue(queue, [queued(number) for number in numbers[first : first + PAGE]])


async def main() -> None:
    queue = open_queue(settings)
    await produce(lambda number: enqueue(queue, [queued(number)]), lambda numbers: put_many(queue, numbers))
    await queue.aclose(close_connection_pool=True)


uvloop.install()
install()


class WorkerSettings:
    """As in `worker.main`, but for the heartbeat in Postgres and the work itself."""

    functions = (func(cast(Any, job), name=RUN_GENERATION),)
    redis_settings = arq_settings(settings)
    leasing = Leasing(
        open_pool=lambda: open_queue(settings),
        lease_seconds=settings.worker_lease_seconds,
        renew_seconds=settings.worker_renew_seconds,
    )
    on_startup = startup
    max_jobs = SLOTS
    keep_result = 0
    health_check_interval = 5
    job_serializer = serialize
    job_deserializer = deserialize


if __name__ == "__main__":
    asyncio.run(main())
