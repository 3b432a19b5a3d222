"""A leased worker at work: what jobs, hooks, producers and rubbish can do, and what they cannot."""

import asyncio
from typing import Any

import pytest
from arq import ArqRedis, Retry, cron
from arq.jobs import Job, JobStatus, ResultNotFound

from schemas.queue import QueuedJob, enqueue
from tests.support.valkey import PATIENCE
from tests.support.waiting import eventually
from tests.support.workers import make_worker, named, working
from worker.leasing.leases import Leases


class Runs:
    """A job function that records its runs; it ends when `release` is set."""

    def __init__(self, *, held: bool = False) -> None:
        self.arguments: list[str] = []
        self.tries: list[int] = []
        self.cancelled: list[tuple[object, ...]] = []
        self.release = asyncio.Event()
        self._began: asyncio.Queue[str] = asyncio.Queue()
        if not held:
            self.release.set()

    async def run(self, ctx: dict[Any, Any], argument: str) -> str:
        self.arguments.append(argument)
        self.tries.append(ctx["job_try"])
        self._began.put_nowait(argument)
        try:
            await self.release.wait()
        except asyncio.CancelledError as error:
            self.cancelled.append(error.args)
            raise
        return f"did {argument}"

    async def began(self) -> str:
        """The argument of the next run, as soon as it has begun."""
        return await asyncio.wait_for(self._began.get(), PATIENCE)

    @property
    def function(self) -> Any:
        return named(self.run)


async def put(queue: ArqRedis, key: str, generation: str) -> None:
    await enqueue(queue, [QueuedJob(key, generation, None, "paid")])


async def until_empty(queue: ArqRedis) -> None:
    async def empty() -> bool:
        return not await queue.exists("arq:queue", "arq:queue:paid")

    await eventually(empty)


async def test_what_is_enqueued_runs_once(queue: ArqRedis, redis_url: str) -> None:
    runs = Runs()
    async with working(redis_url, runs.function):
        for number in range(50):
            await put(queue, f"key-{number}", str(number))
        await until_empty(queue)

    assert sorted(runs.arguments, key=int) == [str(number) for number in range(50)]


async def test_no_more_jobs_run_at_a_time_than_there_are_slots(queue: ArqRedis, redis_url: str) -> None:
    runs = Runs(held=True)
    async with working(redis_url, runs.function, max_jobs=3) as worker:
        for number in range(5):
            await put(queue, f"key-{number}", str(number))
        for _ in range(3):
            await runs.began()
        assert len(worker.running) == len(runs.arguments) == 3
        runs.release.set()
        await until_empty(queue)

    assert len(runs.arguments) == 5


async def test_a_job_resubmitted_while_it_runs_runs_again(queue: ArqRedis, redis_url: str) -> None:
    runs = Runs(held=True)
    async with working(redis_url, runs.function):
        await put(queue, "key", "old")
        await runs.began()
        await put(queue, "key", "new")
        runs.release.set()
        await until_empty(queue)

    assert runs.arguments == ["old", "new"]


async def test_retry_puts_a_job_off_and_counts_the_try(queue: ArqRedis, redis_url: str) -> None:
    tries = []

    async def flaky(ctx: dict[Any, Any], _: str) -> None:
        tries.append(ctx["job_try"])
        if len(tries) == 1:
            raise Retry(defer=3600)

    async with working(redis_url, named(flaky)):
        await put(queue, "key", "generation")

        async def deferred() -> bool:
            return await Job("key", queue, "arq:queue:paid").status() == JobStatus.deferred

        await eventually(deferred)
        await enqueue(queue, [QueuedJob("other", "generation", None, "paid")])
        await queue.zadd("arq:queue:paid", {"key": 1})
        await until_empty(queue)

    assert sorted(tries) == [1, 1, 2]


async def test_a_try_too_many_is_final(queue: ArqRedis, redis_url: str) -> None:
    runs = Runs()
    await put(queue, "key", "generation")
    await queue.set("arq:retry:key", 5)
    async with working(redis_url, runs.function, max_tries=5) as worker:
        await until_empty(queue)

    assert (runs.arguments, worker.jobs_failed) == ([], 1)


async def test_an_error_is_final_and_the_worker_lives(queue: ArqRedis, redis_url: str) -> None:
    runs = Runs()

    async def broken(_: dict[Any, Any]) -> None:
        raise RuntimeError("broken")

    async with working(redis_url, runs.function, named(broken, "broken")) as worker:
        await queue.enqueue_job("broken", _job_id="broken")
        await until_empty(queue)
        await put(queue, "key", "after")
        assert await runs.began() == "after"

    assert worker.jobs_failed == 1


async def test_a_job_that_takes_too_long_is_cancelled(queue: ArqRedis, redis_url: str) -> None:
    runs = Runs(held=True)
    async with working(redis_url, runs.function, job_timeout=0.01) as worker:
        await put(queue, "key", "slow")
        await until_empty(queue)

    assert (len(runs.cancelled), worker.jobs_failed) == (1, 1)


async def test_rubbish_in_the_queue_is_dropped_and_the_worker_lives(queue: ArqRedis, redis_url: str) -> None:
    runs = Runs()
    rubbish = {
        "text": b"rubbish",
        "pickle": b"\x80\x04K\x01.",
        "list": b"[]",
        "no-time": b'{"t":null,"f":"run_generation","a":[],"k":{},"et":"soon"}',
        "strange-name": b'{"t":null,"f":["run_generation"],"a":[],"k":{},"et":1}',
        "unknown": b'{"t":null,"f":"unknown","a":[],"k":{},"et":1}',
        "too-many-arguments": b'{"t":null,"f":"run_generation","a":[1,2,3],"k":{},"et":1}',
    }
    for key, payload in rubbish.items():
        await queue.set(f"arq:job:{key}", payload)
        await queue.zadd("arq:queue", {key: 1})
    await queue.zadd("arq:queue", {"no-payload": 1})
    async with working(redis_url, runs.function) as worker:
        await until_empty(queue)
        await put(queue, "key", "after")
        assert await runs.began() == "after"

    assert worker.jobs_failed == len(rubbish)
    assert await queue.keys("arq:job:*") == []


async def test_broken_hooks_do_not_kill_the_worker(queue: ArqRedis, redis_url: str) -> None:
    runs, called = Runs(), []

    async def hook(ctx: dict[Any, Any]) -> None:
        called.append(ctx["job_id"])
        raise RuntimeError("broken hook")

    async with working(redis_url, runs.function, on_job_end=hook, after_job_end=hook):
        await put(queue, "first", "first")
        await put(queue, "second", "second")
        await until_empty(queue)

    assert sorted(called) == ["first", "first", "second", "second"]


async def test_after_job_end_comes_after_the_commit(queue: ArqRedis, redis_url: str) -> None:
    statuses: asyncio.Queue[JobStatus] = asyncio.Queue()

    async def after(ctx: dict[Any, Any]) -> None:
        statuses.put_nowait(await Job(ctx["job_id"], queue, "arq:queue:paid").status())

    async with working(redis_url, Runs().function, after_job_end=after):
        await put(queue, "key", "generation")
        assert await asyncio.wait_for(statuses.get(), PATIENCE) == JobStatus.not_found


async def test_stock_producers_get_their_results(queue: ArqRedis, redis_url: str) -> None:
    async def double(_: dict[Any, Any], number: int, *, plus: int) -> int:
        return number * 2 + plus

    async def broken(_: dict[Any, Any]) -> None:
        raise RuntimeError("broken")

    async with working(redis_url, named(double, "double"), named(broken, "broken"), keep_result=60):
        job = await queue.enqueue_job("double", 20, plus=2)
        failing = await queue.enqueue_job("broken")
        assert job is not None
        assert failing is not None
        assert await job.result(timeout=PATIENCE, poll_delay=0.01) == 42
        assert await job.status() == JobStatus.complete
        await until_empty(queue)
        info = await failing.result_info()

    assert info is not None
    assert (info.success, info.result) == (False, "broken")


async def test_a_producer_can_abort_a_running_job(queue: ArqRedis, redis_url: str) -> None:
    runs = Runs(held=True)
    async with working(redis_url, runs.function, allow_abort_jobs=True):
        job = await queue.enqueue_job("run_generation", "aborted", _job_id="key")
        assert job is not None
        await runs.began()
        with_result = asyncio.create_task(job.abort(timeout=PATIENCE, poll_delay=0.01))
        await until_empty(queue)
        await asyncio.wait([with_result])

    assert len(runs.cancelled) == 1


async def test_an_abort_of_an_unknown_job_does_not_hit_a_later_one(queue: ArqRedis, redis_url: str) -> None:
    runs = Runs()
    await queue.zadd("arq:abort", {"key": 1})
    async with working(redis_url, runs.function, allow_abort_jobs=True):

        async def forgotten() -> bool:
            return not await queue.exists("arq:abort")

        await eventually(forgotten)
        await put(queue, "key", "fresh")
        assert await runs.began() == "fresh"


async def test_cron_jobs_run_once_in_a_fleet(queue: ArqRedis, redis_url: str) -> None:
    runs: asyncio.Queue[str] = asyncio.Queue()

    async def tidy(ctx: dict[Any, Any]) -> None:
        runs.put_nowait(ctx["job_id"])

    schedule: dict[str, Any] = {"run_at_startup": True, "month": 1, "day": 1, "hour": 0, "minute": 0}
    async with (
        working(redis_url, cron_jobs=[cron(tidy, job_id="tidy", **schedule)]),
        working(redis_url, cron_jobs=[cron(tidy, job_id="tidy", **schedule)]),
    ):
        assert await asyncio.wait_for(runs.get(), PATIENCE) == "tidy"
        await until_empty(queue)

    assert runs.empty()


async def test_a_stopped_worker_hands_back_what_runs_without_counting_a_try(queue: ArqRedis, redis_url: str) -> None:
    held, successor = Runs(held=True), Runs()
    await put(queue, "key", "generation")
    async with working(redis_url, held.function):
        await held.began()

    async with working(redis_url, successor.function):
        await successor.began()

    assert held.cancelled == [()]
    assert (held.tries, successor.tries) == ([1], [1])


async def test_a_reloaded_worker_starts_again(queue: ArqRedis, redis_url: str) -> None:
    """What `--watch` does when a file changed: it closes the worker and runs the same one again."""
    runs = Runs()
    worker = make_worker(redis_url, [runs.function])
    for name in ("before", "after"):
        running = asyncio.create_task(worker.async_run())
        await put(queue, name, name)
        assert await runs.began() == name
        await worker.close()
        await running


async def test_a_job_whose_lease_was_lost_is_cancelled_and_left_alone(queue: ArqRedis, redis_url: str) -> None:
    runs = Runs(held=True)
    await put(queue, "key", "generation")
    async with working(redis_url, runs.function, renew=0.01):
        await runs.began()
        await queue.set("arq:in-progress:key", "somebody-else", px=60_000)

        async def cancelled() -> bool:
            return bool(runs.cancelled)

        await eventually(cancelled)

    assert runs.cancelled == [("lease_lost",)]
    assert await queue.get("arq:in-progress:key") == b"somebody-else"
    assert await queue.exists("arq:job:key")


async def test_running_jobs_survive_the_loss_of_all_of_redis(queue: ArqRedis, redis_url: str) -> None:
    runs = Runs(held=True)
    await put(queue, "key", "generation")
    async with working(redis_url, runs.function, renew=0.01):
        await runs.began()
        await queue.flushall()

        async def leased_again() -> bool:
            return bool(await queue.exists("arq:in-progress:key"))

        await eventually(leased_again)
        runs.release.set()
        await until_empty(queue)

    assert runs.cancelled == []
    assert await queue.keys() == []


async def test_a_heartbeat_comes_before_the_first_claim_and_before_each_renewal(
    queue: ArqRedis, redis_url: str, monkeypatch: Any
) -> None:
    order: list[str] = []
    for name in ("claim", "renew"):
        original = getattr(Leases, name)

        async def recorded(*args: Any, _name: str = name, _original: Any = original, **kwargs: Any) -> Any:
            order.append(_name)
            return await _original(*args, **kwargs)

        monkeypatch.setattr(Leases, name, recorded)
    failures = iter([ConnectionError("away"), ConnectionError("away")])

    async def beat(_: dict[Any, Any], __: int) -> None:
        if error := next(failures, None):
            raise error
        order.append("beat")

    worker = make_worker(redis_url, [Runs().function], renew=0.01, beat=beat)
    task = asyncio.create_task(worker.async_run())

    async def renewed_twice() -> bool:
        return order.count("renew") >= 2

    await eventually(renewed_twice)
    await worker.close()
    await task
    without_claims = [event for event in order if event != "claim"]
    assert order[:2] == ["beat", "claim"]
    assert without_claims[:5] == ["beat", "beat", "renew", "beat", "renew"]


async def test_results_are_gone_when_none_are_kept(queue: ArqRedis, redis_url: str) -> None:
    async with working(redis_url, Runs().function):
        job = await queue.enqueue_job("run_generation", "x", _job_id="key")
        await until_empty(queue)
    assert job is not None
    with pytest.raises(ResultNotFound):
        await job.result()
