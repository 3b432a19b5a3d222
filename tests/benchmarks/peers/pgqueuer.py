"""PgQueuer: `pgq run tests.benchmarks.peers.pgqueuer:factory`."""

import os
import sys
from contextlib import asynccontextmanager

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries

from tests.benchmarks.body import board, run
from tests.benchmarks.produce import produce

URL = os.environ["BENCH_DATABASE_URL"]
PAGE = 1000


@asynccontextmanager
async def factory():
    queuer = PgQueuer(AsyncpgDriver(await asyncpg.connect(URL)))

    @queuer.entrypoint("job")
    async def job(job):
        await run(int(job.payload))

    board.wait_for_start()
    yield queuer


async def main():
    connection = await asyncpg.connect(URL)
    queries = Queries(AsyncpgDriver(connection))

    async def put_many(numbers):
        for first in range(0, len(numbers), PAGE):
            page = [str(number).encode() for number in numbers[first : first + PAGE]]
            await queries.enqueue(["job"] * len(page), page, [0] * len(page))
        await connection.execute("analyze")  # as autovacuum does within a minute

    if sys.argv[1] == "setup":
        await queries.install()
    else:
        await produce(lambda number: queries.enqueue("job", str(number).encode()), put_many)
    await connection.close()


if __name__ == "__main__":
    uvloop.run(main())
