"""taskiq on Redis, with the broker that BENCH_BROKER names: `taskiq worker tests.benchmarks.peers.taskiq:broker`."""

import os

import uvloop
from taskiq import TaskiqEvents
from taskiq_redis import ListQueueBroker, RedisStreamBroker

from tests.benchmarks.body import TIMEOUT_SECONDS, board, run
from tests.benchmarks.produce import gather, produce

URL = os.environ["BENCH_REDIS_URL"]
if os.environ["BENCH_BROKER"] == "list":
    broker = ListQueueBroker(URL, socket_timeout=None)  # redis-py gives up on a blocking call after 5 s otherwise
else:
    broker = RedisStreamBroker(URL, idle_timeout=TIMEOUT_SECONDS * 1000, unacknowledged_lock_timeout=5)


@broker.task(task_name="job")
async def job(number: int) -> None:
    await run(number)


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def startup(_):
    board.wait_for_start()


async def main():
    await broker.startup()
    await produce(job.kiq, lambda numbers: gather(job.kiq, numbers))
    await broker.shutdown()


if __name__ == "__main__":
    uvloop.run(main())
