"""The three scripts on a real Valkey: who holds a job, for how long, and what a worker that lost it can still do."""

import pytest
from arq import ArqRedis
from arq.jobs import Job, JobStatus

from schemas.queue import QueuedJob, enqueue, lane_keys
from tests.support.waiting import eventually
from worker.leasing.leases import Finish, Leases

PAID, FREE, BULK = lane_keys()
LEASE_MS = 10_000


def leases(queue: ArqRedis, worker: str = "worker-a", lease: float = LEASE_MS / 1000) -> Leases:
    return Leases(queue, "arq:queue", worker, lease)


async def put(queue: ArqRedis, *keys: str, lane: str = "free", generation: str = "generation") -> None:
    for key in keys:
        await enqueue(queue, [QueuedJob(key, generation, None, lane)])


async def claimed_ids(worker: Leases, slots: int) -> list[str]:
    return [job.job_id for job in (await worker.claim(slots)).jobs]


async def test_a_claim_takes_no_more_than_the_free_slots(queue: ArqRedis) -> None:
    await put(queue, *"abcde")

    assert len(await claimed_ids(leases(queue), 3)) == 3
    assert len(await claimed_ids(leases(queue, "worker-b"), 3)) == 2


async def test_a_claimed_job_is_in_progress_until_its_lease_ends(queue: ArqRedis) -> None:
    await put(queue, "key")
    await leases(queue).claim(1)

    assert await Job("key", queue).status() == JobStatus.in_progress
    assert 0 < await queue.pttl("arq:in-progress:key") <= LEASE_MS
    assert await claimed_ids(leases(queue, "worker-b"), 1) == []


async def test_the_job_of_a_dead_worker_is_due_when_its_lease_ends(queue: ArqRedis) -> None:
    await put(queue, "key")
    await leases(queue, lease=0.05).claim(1)
    successor = leases(queue, "worker-b")

    async def taken_over() -> bool:
        return await claimed_ids(successor, 1) == ["key"]

    await eventually(taken_over)


async def test_deferred_jobs_are_left_and_announced(queue: ArqRedis) -> None:
    await queue.enqueue_job("note", _job_id="later", _defer_by=60)

    claim = await leases(queue).claim(5)

    assert claim.jobs == []
    assert claim.next_due is not None
    assert 50 < claim.next_due <= 60
    assert claim.queued == 1


async def test_paid_work_goes_first_and_free_work_still_moves(queue: ArqRedis) -> None:
    await put(queue, *(f"free-{number}" for number in range(10)))
    await put(queue, *(f"paid-{number}" for number in range(10)), lane="paid")
    worker = leases(queue)

    taken = [(await claimed_ids(worker, 1))[0].split("-")[0] for _ in range(10)]

    assert taken == ["paid", "paid", "paid", "paid", "free"] * 2


async def test_a_lane_with_nothing_due_gives_its_turn_away(queue: ArqRedis) -> None:
    await put(queue, *"abcdef")

    assert await claimed_ids(leases(queue), 6) == list("abcdef")


async def test_a_job_that_a_stock_worker_runs_is_left_until_its_key_ends(queue: ArqRedis) -> None:
    await put(queue, "key")
    await queue.set("arq:in-progress:key", b"1", px=60_000)

    claim = await leases(queue).claim(1)

    assert claim.jobs == []
    assert claim.next_due is not None
    assert 50 < claim.next_due <= 60


async def test_tries_are_counted_under_arqs_key(queue: ArqRedis) -> None:
    await put(queue, "key")
    worker = leases(queue)
    (first,) = (await worker.claim(1)).jobs
    await worker.finish([Finish(first, again_ms=0)])
    (second,) = (await worker.claim(1)).jobs
    await worker.finish([Finish(second, again_ms=0, counts_try=False)])
    (third,) = (await worker.claim(1)).jobs

    assert (first.tries, second.tries, third.tries) == (1, 2, 2)


async def test_a_finished_job_leaves_nothing_behind(queue: ArqRedis) -> None:
    await put(queue, "key")
    worker = leases(queue)
    (job,) = (await worker.claim(1)).jobs

    assert await worker.finish([Finish(job)]) == set()

    assert await queue.keys() == []


async def test_finishing_again_after_a_lost_answer_changes_nothing(queue: ArqRedis) -> None:
    await put(queue, "key")
    worker = leases(queue)
    (job,) = (await worker.claim(1)).jobs
    await worker.finish([Finish(job)])
    await put(queue, "key", generation="resubmitted")

    assert await worker.finish([Finish(job)]) == {job.token}

    assert await Job("key", queue).status() == JobStatus.queued


@pytest.mark.parametrize("again_ms", [None, 60_000])
async def test_a_job_resubmitted_while_it_ends_is_due_at_once(queue: ArqRedis, again_ms: int | None) -> None:
    await put(queue, "key", generation="old")
    worker = leases(queue)
    (job,) = (await worker.claim(1)).jobs
    await put(queue, "key", generation="new")

    await worker.finish([Finish(job, again_ms=again_ms, result=b"{}", result_ms=60_000)])

    (again,) = (await worker.claim(1)).jobs
    assert b'"new"' in again.payload
    assert not await queue.exists("arq:result:key")


async def test_a_worker_that_lost_its_lease_can_neither_finish_nor_renew(queue: ArqRedis) -> None:
    await put(queue, "key")
    frozen, successor = leases(queue, "frozen"), leases(queue, "successor")
    (lost,) = (await frozen.claim(1)).jobs
    await queue.delete("arq:in-progress:key")
    await queue.zadd(FREE, {"key": 1})
    (held,) = (await successor.claim(1)).jobs
    before = await queue.dump("arq:job:key"), await queue.get("arq:in-progress:key")

    assert await frozen.finish([Finish(lost), Finish(lost, again_ms=0)]) == {lost.token}
    assert (await frozen.renew([lost])).lost == {lost.token}
    assert (await frozen.renew([lost], retake=True)).lost == {lost.token}

    assert (await queue.dump("arq:job:key"), await queue.get("arq:in-progress:key")) == before
    assert (await successor.renew([held])).lost == set()


async def test_a_renewal_extends_key_and_score_together(queue: ArqRedis) -> None:
    await put(queue, "key")
    worker = leases(queue)
    (job,) = (await worker.claim(1)).jobs
    await queue.pexpire("arq:in-progress:key", 1000)
    await queue.zadd(FREE, {"key": 1})

    renewal = await worker.renew([job])

    assert (renewal.lost, renewal.gone) == (set(), set())
    assert await queue.pttl("arq:in-progress:key") > 1000
    assert (await leases(queue, "worker-b").claim(1)).jobs == []


async def test_a_lease_that_redis_lost_can_be_taken_again(queue: ArqRedis) -> None:
    await put(queue, "key")
    worker = leases(queue)
    (job,) = (await worker.claim(1)).jobs
    await queue.flushall()

    assert (await worker.renew([job])).gone == {job.token}
    assert (await worker.renew([job], retake=True)).gone == set()

    assert await Job("key", queue).status() == JobStatus.in_progress


async def test_an_id_without_a_payload_is_dropped(queue: ArqRedis) -> None:
    await queue.zadd(FREE, {b"\xff\xfe": 1})

    claim = await leases(queue).claim(5)

    assert (claim.jobs, claim.dropped) == ([], [b"\xff\xfe"])
    assert await queue.keys() == []


async def test_rubbish_under_a_jobs_keys_does_not_stop_it(queue: ArqRedis) -> None:
    await put(queue, "key", "other")
    await queue.set("arq:in-progress:key", b"a key that never ends")
    await queue.set("arq:retry:key", b"no number")
    await queue.delete("arq:job:other")
    await queue.sadd("arq:job:other", "no payload")  # type: ignore[misc]
    await queue.set("arq:abort", b"no set")
    await queue.set(PAID, b"no lane")
    await queue.delete("arq:queue:idle")
    await queue.set("arq:queue:idle", b"no list")

    claim = await leases(queue).claim(1)

    assert [job.job_id for job in claim.jobs] == ["key"]
    assert (await leases(queue).claim(1)).dropped == [b"other"]
