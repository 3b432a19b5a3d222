"""A job that is due goes straight to a worker that waits for one; nothing that the worker may do meanwhile loses it."""

from datetime import UTC, datetime, timedelta

from arq import ArqRedis
from arq.jobs import Job, JobStatus

from schemas.queue import QueuedJob, enqueue
from tests.support.valkey import PATIENCE
from tests.support.waiting import eventually
from worker.leasing.leases import Finish, Leases


def leases(queue: ArqRedis, worker: str, lease: float = 10) -> Leases:
    return Leases(queue, "arq:queue", worker, lease)


async def idle(queue: ArqRedis, worker: str, lease: float = 10) -> Leases:
    """A worker that found nothing to do and waits."""
    waiting = leases(queue, worker, lease)
    assert (await waiting.claim(1, PATIENCE)).idle
    return waiting


async def put(queue: ArqRedis, *keys: str, generation: str = "generation") -> None:
    await enqueue(queue, [QueuedJob(key, generation, None, "paid") for key in keys])


async def test_an_idle_worker_gets_the_job_leased(queue: ArqRedis) -> None:
    worker = await idle(queue, "worker")
    await put(queue, "key")

    job = await worker.wait_for_job(PATIENCE)

    assert job is not None
    assert (job.job_id, job.tries, job.aborted) == ("key", 1, False)
    assert b'"generation"' in job.payload
    assert await Job("key", queue, "arq:queue:paid").status() == JobStatus.in_progress
    assert (await leases(queue, "other").claim(5)).jobs == []
    assert (await worker.renew([job])).lost == set()
    assert await worker.finish([Finish(job)]) == set()
    assert await queue.keys() == []


async def test_the_worker_that_has_waited_longest_is_next(queue: ArqRedis) -> None:
    first, second = await idle(queue, "first"), await idle(queue, "second")
    await put(queue, "one")
    await put(queue, "two")

    one, two = await first.wait_for_job(PATIENCE), await second.wait_for_job(PATIENCE)

    assert one is not None
    assert two is not None
    assert (one.job_id, two.job_id) == ("one", "two")


async def test_many_jobs_at_once_go_to_all_who_wait_and_the_rest_stays_due(queue: ArqRedis) -> None:
    workers = [await idle(queue, "first"), await idle(queue, "second")]
    await put(queue, "one", "two", "three")

    handed = [await worker.wait_for_job(PATIENCE) for worker in workers]

    assert [job.job_id for job in handed if job] == ["one", "two"]
    assert [job.job_id for job in (await workers[0].claim(5)).jobs] == ["three"]


async def test_a_worker_that_claims_instead_gets_what_lay_in_its_inbox(queue: ArqRedis) -> None:
    worker = await idle(queue, "worker")
    await put(queue, "handed")
    await put(queue, "waiting")

    claim = await worker.claim(1)

    assert [job.job_id for job in claim.jobs] == ["handed"]  # it has one slot
    assert [job.job_id for job in (await worker.claim(1)).jobs] == ["waiting"]


async def test_a_worker_that_stopped_being_idle_is_handed_nothing(queue: ArqRedis) -> None:
    worker = await idle(queue, "worker")
    await worker.claim(0)
    await put(queue, "key")

    assert await queue.keys("arq:queue:idle*") == []
    assert [job.job_id for job in (await leases(queue, "other").claim(1)).jobs] == ["key"]


async def test_a_worker_that_dies_with_a_job_in_its_inbox_costs_one_lease(queue: ArqRedis) -> None:
    await idle(queue, "dead", lease=0.05)
    await put(queue, "key")
    successor = leases(queue, "successor")

    async def taken_over() -> bool:
        return [job.job_id for job in (await successor.claim(1)).jobs] == ["key"]

    await eventually(taken_over)
    assert await queue.keys("arq:queue:idle*") == []


async def test_a_worker_that_died_while_idle_is_passed_over(queue: ArqRedis) -> None:
    await idle(queue, "dead")
    await queue.delete("arq:queue:idle:offer:dead")  # as it ends by itself soon after the worker's death
    alive = await idle(queue, "alive")
    await put(queue, "key")

    job = await alive.wait_for_job(PATIENCE)

    assert job is not None
    assert job.job_id == "key"


async def test_work_that_is_due_later_is_handed_to_nobody(queue: ArqRedis) -> None:
    await idle(queue, "worker")
    await enqueue(queue, [QueuedJob("key", "generation", datetime.now(UTC) + timedelta(hours=1), "paid")])

    assert await Job("key", queue, "arq:queue:paid").status() == JobStatus.deferred
    assert not await queue.exists("arq:queue:idle:inbox:worker")


async def test_a_job_that_runs_is_not_handed_over_again(queue: ArqRedis) -> None:
    busy = leases(queue, "busy")
    await put(queue, "key", generation="old")
    (job,) = (await busy.claim(1)).jobs
    waiting = await idle(queue, "waiting")
    await put(queue, "key", generation="new")

    assert await waiting.wait_for_job(PATIENCE) is None  # woken to look for itself
    assert (await waiting.claim(1)).jobs == []
    await busy.finish([Finish(job)])
    (again,) = (await waiting.claim(1)).jobs
    assert b'"new"' in again.payload


async def test_what_a_stopping_worker_hands_back_wakes_another(queue: ArqRedis) -> None:
    stopping = await idle(queue, "stopping")
    await put(queue, "key")
    (job,) = (await stopping.claim(0)).jobs
    waiting = await idle(queue, "waiting")
    await stopping.finish([Finish(job, again_ms=0, counts_try=False)])

    assert await waiting.wait_for_job(PATIENCE) is None
    (again,) = (await waiting.claim(1)).jobs
    assert (again.job_id, again.tries) == ("key", 1)


async def test_rubbish_among_the_idle_is_passed_over(queue: ArqRedis) -> None:
    await queue.rpush("arq:queue:idle", "nobody", "somebody", "number")  # type: ignore[misc]
    await queue.set("arq:queue:idle:offer:somebody", "rubbish")
    await queue.rpush("arq:queue:idle:offer:number", 1)  # type: ignore[misc]

    await put(queue, "key")

    assert [job.job_id for job in (await leases(queue, "worker").claim(1)).jobs] == ["key"]
