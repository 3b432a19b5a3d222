"""dramatiq on Redis: `dramatiq --processes 1 --threads N tests.benchmarks.peers.dramatiq`."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from tests.benchmarks.body import HEARTBEAT_SECONDS, board, run_in_thread
from tests.benchmarks.produce import produce_blocking


class Start(dramatiq.Middleware):
    def before_worker_boot(self, broker, worker):
        board.wait_for_start()


broker = RedisBroker(url=os.environ["BENCH_REDIS_URL"], heartbeat_timeout=HEARTBEAT_SECONDS * 1000)
broker.add_middleware(Start())
dramatiq.set_broker(broker)


@dramatiq.actor
def job(number):
    run_in_thread(number)


if __name__ == "__main__":
    produce_blocking(job.send)
