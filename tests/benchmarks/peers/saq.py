"""SAQ on Redis: `saq tests.benchmarks.peers.saq.settings`."""

import os

import uvloop
from saq import Queue

from tests.benchmarks.body import SECONDS, SLOTS, TIMEOUT_SECONDS, board, run
from tests.benchmarks.produce import gather, produce

uvloop.install()
queue = Queue.from_url(os.environ["BENCH_REDIS_URL"])


async def job(_, *, number):
    await run(number)


async def startup(_):
    board.wait_for_start()


settings = {
    "queue": queue,
    "functions": [job],
    "concurrency": SLOTS,
    "startup": startup,
    # The look for stuck jobs, once a minute by default, takes the jobs of a busy start for stuck.
    "timers": {"sweep": 5 if SECONDS > TIMEOUT_SECONDS else 60},
}


async def main():
    await queue.connect()

    async def put(number):
        await queue.enqueue("job", number=number, timeout=TIMEOUT_SECONDS, retries=5, ttl=-1)

    await produce(put, lambda numbers: gather(put, numbers))
    await queue.disconnect()


if __name__ == "__main__":
    uvloop.run(main())
