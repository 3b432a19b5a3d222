"""A small settings module for arq's command line, with jobs that say in Redis what becomes of them.

`ran` lists the jobs that began; a job called `hold` ends when something is pushed to `release:<name>`.
"""

import asyncio
import os
from typing import Any

from arq.connections import RedisSettings

from schemas.queue import deserialize, open_queue, serialize
from tests.support.valkey import queue_settings
from worker.leasing import Leasing, install

_url = os.environ["REDIS_URL"]


async def note(ctx: dict[Any, Any], name: str) -> None:
    await ctx["redis"].rpush("ran", name)


async def hold(ctx: dict[Any, Any], name: str) -> None:
    await ctx["redis"].rpush("ran", name)
    try:
        while not await ctx["redis"].blpop([f"release:{name}"], timeout=1):
            pass
    except asyncio.CancelledError:
        await ctx["redis"].rpush("cancelled", name)
        raise
    await ctx["redis"].rpush("completed", name)


install()


class WorkerSettings:
    functions = (note, hold)
    redis_settings = RedisSettings.from_dsn(_url)
    leasing = Leasing(lambda: open_queue(queue_settings(_url)), lease_seconds=1, renew_seconds=0.3)
    job_completion_wait = int(os.environ.get("GRACE", "0"))
    health_check_interval = 1
    keep_result = 0
    job_serializer = serialize
    job_deserializer = deserialize
