"""Whose work waits how long, in rounds: in one round each slot does one job. No clock is involved."""

from statistics import median

from arq import ArqRedis

from schemas.queue import QueuedJob, enqueue
from worker.leasing.leases import Finish, Leases

SLOTS = 4
FREE_USERS = 50
ENTERPRISE_CAP = 50


async def free_waits(queue: ArqRedis, paid_users: int, in_flight_each: int) -> list[int]:
    """The round in which each Free user's one request starts, while paid users always have so much in flight."""
    await queue.flushall()
    worker, waits, submitted = Leases(queue, "arq:queue", "worker", 10), [], 0
    paid = [f"paid-{user}-{number}" for number in range(in_flight_each) for user in range(paid_users)]
    await enqueue(queue, [QueuedJob(key, "generation", None, "paid") for key in paid])
    for user in range(FREE_USERS):
        await enqueue(queue, [QueuedJob(f"free-{user}", "generation", None, "free")])
    for number in range(1000):
        jobs = (await worker.claim(SLOTS)).jobs
        waits += [number for job in jobs if job.job_id.startswith("free")]
        await worker.finish([Finish(job) for job in jobs])
        for job in jobs:
            if job.job_id.startswith("paid"):  # whoever paid asks for the next one as soon as one is done
                submitted += 1
                await enqueue(queue, [QueuedJob(f"paid-again-{submitted}", "generation", None, "paid")])
        if len(waits) == FREE_USERS:
            return waits
    raise AssertionError("free users starve")


async def test_one_user_at_the_enterprise_cap_costs_free_users_no_more_than_ten_ordinary_ones(queue: ArqRedis) -> None:
    with_enterprise = await free_waits(queue, paid_users=1, in_flight_each=ENTERPRISE_CAP)
    with_ordinary = await free_waits(queue, paid_users=10, in_flight_each=1)

    assert median(with_enterprise) <= median(with_ordinary)


async def test_free_users_get_every_fifth_slot_whatever_is_paid_for(queue: ArqRedis) -> None:
    waits = await free_waits(queue, paid_users=1, in_flight_each=ENTERPRISE_CAP)

    assert waits == [number * 5 // SLOTS + 1 for number in range(FREE_USERS)]
