"""`queue_growth`: what a submission in Postgres and a claim in Redis cost with a million queued, beside a thousand.

Calls at the two sizes alternate, so that whatever else the machine does hits both.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from uuid import UUID

import asyncpg
from arq import ArqRedis
from pydantic import SecretStr

from deploy.local.base import apply_base
from deploy.local.migrate import migrate
from schemas.database import Connection, prepare_connection
from schemas.queue import QueuedJob, enqueue, open_queue
from schemas.settings import Settings
from tests.benchmarks.contestants import OURS, Contestant
from tests.benchmarks.rows.row import Figures, Part, Row
from tests.benchmarks.trial import Bench
from worker.leasing.leases import Finish, Leases

FEW, MANY = 1_000, 1_000_000
CALLS = 300
WARM_UP = 20
BATCH = 20
"""Jobs in one claim: the slots of one worker."""
PAGE = 500
REDIS_DATABASES = {FEW: 14, MANY: 15}
FILL = Path(__file__).with_name("queue_growth.sql")
SUBMIT = (
    "select outcome from sparky.submit_generation($1::uuid, 'age', '{\"age\": 40}', $1::uuid || '/photo.jpg', 'bench')"
)


async def measure(bench: Bench, _: Contestant, number: int) -> Figures:
    return {"submit": await submit_ratio(bench, number), "claim": await claim_ratio(bench)}


async def submit_ratio(bench: Bench, number: int) -> float:
    """Each call submits for another user, who has a photo, credit and nothing in flight."""
    few, many = [await open_database(bench, queued) for queued in (FEW, MANY)]
    times: dict[Connection, list[float]] = {few: [], many: []}
    for call in range(CALLS + WARM_UP):
        user = UUID(int=number * (CALLS + WARM_UP) + call + 1)
        for database, taken in times.items():
            began = time.perf_counter()
            outcome = await database.fetchval(SUBMIT, user)
            taken.append(time.perf_counter() - began)
            if outcome != "queued":
                raise RuntimeError(f"a submission was {outcome}")
    await few.close()
    await many.close()
    return median(times[many][WARM_UP:]) / median(times[few][WARM_UP:])


async def open_database(bench: Bench, queued: int) -> Connection:
    """A migrated database with so many generations queued; made by the first round."""
    name = f"growth_{queued}"
    server = await asyncpg.connect(bench.postgres.dsn())
    known = await server.fetchval("select true from pg_catalog.pg_database where datname = $1", name)
    if not known:
        await server.execute(f"create database {name}")
        await apply_base(bench.database_url(name))
        await server.execute(f"grant all on database {name} to postgres; alter role postgres login password 'bench'")
        await migrate(bench.database_url(name, role="postgres", password="bench"))
    await server.close()
    database = await asyncpg.connect(bench.database_url(name))
    await prepare_connection(database)
    if not known:
        fill = FILL.read_text().replace(":queued", str(queued)).replace(":submitting", str(3 * (CALLS + WARM_UP)))
        await database.execute(fill)
        await database.execute("vacuum analyze")
    return database


async def claim_ratio(bench: Bench) -> float:
    """After each claim its jobs are finished and as many new ones enqueued, so that the size stays."""
    queues = {queued: await open_filled_queue(bench, queued) for queued in (FEW, MANY)}
    workers = {queued: Leases(queue, queue.default_queue_name, "bench", 10) for queued, queue in queues.items()}
    times: dict[int, list[float]] = {queued: [] for queued in queues}
    for _ in range(CALLS + WARM_UP):
        for queued, worker in workers.items():
            began = time.perf_counter()
            claim = await worker.claim(BATCH)
            times[queued].append(time.perf_counter() - began)
            if len(claim.jobs) != BATCH:
                raise RuntimeError(f"a claim brought {len(claim.jobs)} jobs")
            await worker.finish([Finish(job) for job in claim.jobs])
            fresh = time.time_ns() % 10**15
            await put(queues[queued], range(fresh, fresh + BATCH))
    for queue in queues.values():
        await queue.aclose(close_connection_pool=True)
    return median(times[MANY][WARM_UP:]) / median(times[FEW][WARM_UP:])


async def open_filled_queue(bench: Bench, queued: int) -> ArqRedis:
    """A queue with so many jobs due; filled by the first round."""
    unused = SecretStr("unused")
    queue = open_queue(
        Settings(
            redis_url=SecretStr(f"redis://127.0.0.1:{bench.valkey.port}/{REDIS_DATABASES[queued]}"),
            database_url=unused,
            supabase_url="http://127.0.0.1",
            supabase_secret_key=unused,
        )
    )
    if not await queue.dbsize():
        for first in range(0, queued, PAGE):
            await put(queue, range(first, first + PAGE))
    return queue


async def put(queue: ArqRedis, numbers: Sequence[int]) -> None:
    await enqueue(queue, [QueuedJob(f"{number:064x}", str(UUID(int=number)), None, "paid") for number in numbers])


ROW = Row(
    "queue_growth",
    (
        Part("claim", "× (claim at 1,000,000 queued / at 1,000)", "≤ 1.2", lambda medians: medians.ours <= 1.2),
        Part("submit", "× (submit at 1,000,000 queued / at 1,000)", "≤ 1.2", lambda medians: medians.ours <= 1.2),
    ),
    (OURS,),
    measure,
    alone=True,
)
