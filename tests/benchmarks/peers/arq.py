"""Stock arq: `arq tests.benchmarks.peers.arq.WorkerSettings`, without its two log lines a job."""

import logging
import os

import uvloop
from arq import create_pool
from arq.connections import RedisSettings
from arq.worker import func

from tests.benchmarks.body import SLOTS, TIMEOUT_SECONDS, board, run
from tests.benchmarks.produce import gather, produce

REDIS = RedisSettings.from_dsn(os.environ["BENCH_REDIS_URL"])
uvloop.install()


async def job(_, number):
    await run(number)


async def startup(_):
    logging.getLogger("arq.worker").setLevel(logging.WARNING)
    board.wait_for_start()


class WorkerSettings:
    functions = (func(job, name="job", keep_result=0),)
    redis_settings = REDIS
    on_startup = startup
    max_jobs = SLOTS
    job_timeout = TIMEOUT_SECONDS


async def main():
    redis = await create_pool(REDIS)

    async def put(number):
        await redis.enqueue_job("job", number)

    await produce(put, lambda numbers: gather(put, numbers))
    await redis.aclose()


if __name__ == "__main__":
    uvloop.run(main())
