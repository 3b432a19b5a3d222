"""celery on Redis with its thread pool: `celery -A tests.benchmarks.peers.celery worker -P threads`."""

import os

from celery import Celery
from celery.signals import worker_ready

from tests.benchmarks.body import SECONDS, TIMEOUT_SECONDS, board, run_in_thread
from tests.benchmarks.produce import produce_blocking

app = Celery("bench", broker=os.environ["BENCH_REDIS_URL"])
app.conf.update(
    task_ignore_result=True,
    broker_transport_options={"visibility_timeout": TIMEOUT_SECONDS},
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
    # As its guide on optimizing advises: one at a time for long jobs, acknowledged when done; more for short ones.
    worker_prefetch_multiplier=1 if SECONDS else 4,
    task_acks_late=bool(SECONDS),
)


@app.task(name="job")
def job(number):
    run_in_thread(number)


@worker_ready.connect
def ready(**_):
    board.wait_for_start()


if __name__ == "__main__":
    produce_blocking(job.delay)
