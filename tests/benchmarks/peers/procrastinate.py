"""procrastinate on psycopg: its worker in the program's own event loop, as its documentation allows."""

import os
import sys

import uvloop
from procrastinate import App, PsycopgConnector

from tests.benchmarks.body import HEARTBEAT_SECONDS, SECONDS, SLOTS, board, run
from tests.benchmarks.produce import produce

PAGE = 1000
app = App(connector=PsycopgConnector(conninfo=os.environ["BENCH_DATABASE_URL"]))


@app.task(name="job")
async def job(number):
    await run(number)


async def put_many(numbers):
    for first in range(0, len(numbers), PAGE):
        await job.batch_defer_async(*({"number": number} for number in numbers[first : first + PAGE]))
    await app.connector.execute_query_async("analyze")  # as autovacuum does within a minute


async def main():
    async with app.open_async():
        if sys.argv[1] == "setup":
            await app.schema_manager.apply_schema_async()
        elif sys.argv[1] == "work":
            if SECONDS:
                app.periodic(cron="* * * * * */5")(retry_stalled)
            board.wait_for_start()
            await app.run_worker_async(concurrency=SLOTS, delete_jobs="successful")
        else:
            await produce(lambda number: job.defer_async(number=number), put_many)


@app.task(name="retry_stalled", queueing_lock="retry_stalled", pass_context=True)
async def retry_stalled(context, timestamp):
    """Its documentation's recipe for jobs of dead workers."""
    for stalled in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=HEARTBEAT_SECONDS):
        await app.job_manager.retry_job(stalled)


if __name__ == "__main__":
    uvloop.run(main())
